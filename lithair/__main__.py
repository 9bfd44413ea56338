"""`python -m lithair`: the same as the `lithair` command."""

from lithair.cli.main import main

if __name__ == "__main__":
    main()
