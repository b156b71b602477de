"""What a stage tells and keeps of its epochs, and how Ctrl-C ends it."""

import signal
import threading
import time
from contextlib import ExitStack
from types import FrameType
from typing import Any

import keras

from kerasrecipes.callbacks.base import Resumable, numbers_in
from kerasrecipes.callbacks.learning_rates.rates import largest_rate
from kerasrecipes.console import bar, say


class Progress(Resumable, keras.callbacks.Callback):
    """Say one line per epoch; on a terminal, show a bar with a rate and the time left, too.

    Used as a context around `fit` as well, it takes the bar away however that ends.

    Args:
        title: What is being trained, e.g. the name of a stage.
    """

    STATE = ("_epoch",)

    def __init__(self, title: str = ""):
        super().__init__()
        self.title = title
        self._bar = ExitStack()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._epoch = 0
        self._bar.close()
        self._show = self._bar.enter_context(bar(self.title))

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._bar.close()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch += 1
        self._started = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        epochs, steps = self.params.get("epochs"), self.params.get("steps")
        done = (self._epoch - 1) * (steps or 0) + batch + 1
        self._show(done, steps and epochs * steps, self._place())

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        seconds = time.monotonic() - self._started
        values = "  ".join(f"{name} {value:.3f}" for name, value in numbers_in(logs).items())
        say(f"  {self._place()}  {values}  {seconds:.1f} s")

    def _place(self) -> str:
        return f"{self.title} {self._epoch:>2}/{self.params.get('epochs', '?')}".strip()


class Interrupts(Resumable, keras.callbacks.Callback):
    """Wait with a KeyboardInterrupt until the end of a step.

    Raised where Ctrl-C finds the program, it may be lost in a finalizer, which prints it and
    goes on, or leave the framework's own code half done, which can crash. Pressed again, it is
    raised at once. Use it as a context around `fit` as well. Outside the main thread, or where
    somebody else handles the signal, it does nothing.

    Example:
        >>> with Interrupts() as interrupts:
        ...     interrupts.on_train_batch_end(0)
    """

    STATE = ()

    def __init__(self) -> None:
        super().__init__()
        self._pressed = False
        self._ours = False

    def __enter__(self) -> "Interrupts":
        self._pressed = False
        handled = signal.getsignal(signal.SIGINT)
        main = threading.current_thread() is threading.main_thread()
        self._ours = main and handled is signal.default_int_handler
        if self._ours:
            signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *error: object) -> None:
        if self._ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if error == (None, None, None):
            self._raise()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._raise()

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._raise()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._raise()

    def _raise(self) -> None:
        if self._pressed:
            self._pressed = False
            raise KeyboardInterrupt

    def _press(self, number: int, frame: FrameType | None) -> None:
        self._pressed = not self._pressed
        if not self._pressed:
            signal.default_int_handler(number, frame)


class LearningRateLog(Resumable, keras.callbacks.Callback):
    """Collect the logs of every finished epoch, and the learning rate, in `history`.

    Unlike the `History` that `fit` returns, it survives an interrupted fit.
    """

    STATE = ("history",)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.history: dict[str, list[float]] = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        for name, value in {**numbers_in(logs), **largest_rate(self.model)}.items():
            self.history.setdefault(name, []).append(value)
