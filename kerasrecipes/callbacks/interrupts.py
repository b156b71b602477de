"""Ending a training by Ctrl-C at whatever moment it comes."""

import signal
import threading

import keras

from kerasrecipes.callbacks.resumable import Resumable


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
        if error == (None, None, None):
            self._raise()

    def on_train_batch_end(self, batch, logs=None):
        self._raise()

    def on_test_batch_end(self, batch, logs=None):
        self._raise()

    def on_train_end(self, logs=None):
        self._raise()

    def _raise(self) -> None:
        if self._pressed:
            self._pressed = False
            raise KeyboardInterrupt

    def _press(self, number, frame) -> None:
        self._pressed = not self._pressed
        if not self._pressed:
            signal.default_int_handler(number, frame)
