"""One line per epoch, for people who watch a terminal."""

import sys
import time
from collections.abc import Callable

import keras

from kerasrecipes.callbacks.resumable import Resumable


class Progress(Resumable, keras.callbacks.Callback):
    """Print one line per epoch, and on a terminal a running count within it.

    Args:
        title: What is being trained, e.g. the name of a stage.
        say: Prints a line; standard error by default, so that output can be piped.
    """

    STATE = ("_epoch",)

    def __init__(self, title: str = "", say: Callable[[str], None] | None = None):
        super().__init__()
        self.title = title
        self.say = say or (lambda line: print(line, file=sys.stderr, flush=True))

    def on_train_begin(self, logs=None):
        self._epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch += 1
        self._started = self._shown = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        now = time.monotonic()
        if sys.stderr.isatty() and now - self._shown > 0.2:
            self._shown = now
            steps = self.params.get("steps") or "?"
            # The cursor returns to the start of the line, which the next text covers.
            sys.stderr.write(f"  {self._place()}  step {batch + 1}/{steps}\033[K\r")
            sys.stderr.flush()

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.monotonic() - self._started
        values = "  ".join(f"{name} {value:.3f}" for name, value in (logs or {}).items())
        self.say(f"  {self._place()}  {values}  {seconds:.1f} s")

    def _place(self) -> str:
        return f"{self.title} {self._epoch:>2}/{self.params.get('epochs', '?')}".strip()
