"""`python -m bench` is the command `bench`."""

from bench.start import main

if __name__ == "__main__":
    main()
