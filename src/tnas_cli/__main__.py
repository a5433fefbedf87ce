"""`python -m tnas_cli` is `tnas`."""

from tnas_cli.cli.main import main

if __name__ == "__main__":
    main()
