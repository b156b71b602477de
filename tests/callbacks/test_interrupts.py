"""Ctrl-C ends a training, also at moments at which Python forgets it."""

import os
import signal
import threading

import keras
import pytest

from kerasrecipes import UnfreezeSchedule
from kerasrecipes.callbacks.progress import Interrupts


@pytest.fixture(autouse=True)
def python_hears_ctrl_c():
    """Handle the signal even where the tests run in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


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


def test_the_first_press_waits_for_the_end_of_a_step_and_the_second_does_not():
    with Interrupts() as interrupts:
        signal.raise_signal(signal.SIGINT)
        for step_ends in (
            interrupts.on_train_batch_end,
            interrupts.on_test_batch_end,
            lambda _: interrupts.on_train_end(),
        ):
            with pytest.raises(KeyboardInterrupt):
                step_ends(0)
            step_ends(0)  # once is enough
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        interrupts.on_train_batch_end(0)


def test_a_press_after_the_last_step_is_not_lost():
    with pytest.raises(KeyboardInterrupt), Interrupts():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(ValueError, match="of its own"), Interrupts():
        signal.raise_signal(signal.SIGINT)
        raise ValueError("of its own")


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
