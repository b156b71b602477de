"""Ending a training by Ctrl-C at whatever moment it comes."""

import signal
import threading

import keras

from kerasrecipes.callbacks.resumable import Resumable


class Interrupts(Resumable, keras.callbacks.Callback):
    """Raise a KeyboardInterrupt again that Python has lost.

    Where a finalizer is at work when Ctrl-C comes, Python prints the KeyboardInterrupt and goes
    on, as with any exception there, and the training would run to its end. Use it as a context
    around `fit` as well. Outside the main thread, or where somebody else handles the signal, it
    does nothing.

    Example:
        >>> with Interrupts() as interrupts:
        ...     interrupts.on_train_batch_end(0)
    """

    STATE = ()

    def __init__(self):
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

    def __exit__(self, *error) -> None:
        if self._ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def on_train_batch_end(self, batch, logs=None):
        if self._pressed:
            self._pressed = False
            raise KeyboardInterrupt

    def _press(self, number, frame) -> None:
        self._pressed = True
        signal.default_int_handler(number, frame)
