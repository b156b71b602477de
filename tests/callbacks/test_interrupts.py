"""Ctrl-C ends a training, also at moments at which Python forgets it."""

import os
import signal
import threading

import keras
import pytest

from kerasrecipes import UnfreezeSchedule
from kerasrecipes.callbacks.interrupts import Interrupts


class Finalizer:
    """Something that is interrupted while Python puts it away."""

    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)


class PressInFinalizer(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            Finalizer()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_python_forgets_ends_the_fit(part_sets, small_recipe):
    train, val, _ = part_sets
    recipe = small_recipe(schedule=UnfreezeSchedule.head_only(epochs=30))
    report = recipe.fit(train, val, callbacks=[PressInFinalizer()], verbose=False)
    assert report.interrupted
    assert report.stages[0].epochs_run == 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_signal_of_others_and_other_threads_are_left_alone():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupts():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    found = []

    def elsewhere():
        with Interrupts():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [before]
