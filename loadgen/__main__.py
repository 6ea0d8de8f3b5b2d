"""`python -m loadgen`: the command line."""

from loadgen.cli.main import main

if __name__ == "__main__":
    main()
