"""`python -m kerasrecipes` is `kerasrecipes`."""

from kerasrecipes.cli import main

if __name__ == "__main__":
    main()
