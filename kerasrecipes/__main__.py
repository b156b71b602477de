"""Where `kerasrecipes`, and `python -m kerasrecipes`, begin: almost nothing is imported here."""

import os
import signal
import sys
from types import FrameType


def main() -> None:
    """Run the command line; Ctrl-C while it is imported ends the program, too, in one line.

    Python would show where among the imports it was.
    """
    # Whoever starts programs that are not to be interrupted lets them ignore the signal.
    heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if heard:
        signal.signal(signal.SIGINT, _end_at_once)
    from kerasrecipes.cli import main as run

    try:
        if heard:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        run()
    except KeyboardInterrupt:
        sys.exit(_told())


def _told() -> int:
    print("\nInterrupted; nothing was saved.", file=sys.stderr, flush=True)
    return 128 + signal.SIGINT


def _end_at_once(number: int, frame: FrameType | None) -> None:
    # Python drops exceptions while it puts away the lock of a module; there is nothing to undo yet.
    _told()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


if __name__ == "__main__":
    main()
