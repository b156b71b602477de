"""What the library says to people."""

import sys


def say(line: str) -> None:
    """Print a line for the user, apart from what a program may read from stdout."""
    print(line, file=sys.stderr, flush=True)
