"""`python -m tnas_cli` is `tnas`."""

import os
import sys

#: How often a thread of PyTorch's looks for work before it sleeps: 64 ns each on Zen 3, so 45 microseconds in all. Its
#: library (libgomp) by itself looks 300,000 times: 19 ms in which another thread or program could use the core.
SPINS = "700"


def let_threads_sleep() -> None:
    """Before PyTorch is imported: unless the user decided it, its threads sleep soon when they have nothing to do."""
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = SPINS


def main() -> None:
    """Run `tnas`, or answer a shell that completes its command line, before anything else is imported."""
    from tnas_cli.cli.complete import ASKED, answer

    asked = os.environ.get(ASKED)
    if asked is not None and (code := answer(asked)) is not None:
        sys.exit(code)
    let_threads_sleep()
    from tnas_cli.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
