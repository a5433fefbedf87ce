"""`python -m tnas_cli` is `tnas`."""

import os
import sys


def main() -> None:
    """Run `tnas`, or answer a shell that completes its command line, before anything else is imported."""
    from tnas_cli.cli.complete import ASKED, answer

    asked = os.environ.get(ASKED)
    if asked is not None and (code := answer(asked)) is not None:
        sys.exit(code)
    from tnas_cli.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
