"""`python -m bench` is the command `bench`."""

from bench.cli.start import main

if __name__ == "__main__":
    main()
