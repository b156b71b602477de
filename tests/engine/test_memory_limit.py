"""Out of memory: the stage begins again in smaller parts, and ends with the same weights."""

import logging

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasrecipes import TrainingError, UnfreezeSchedule
from kerasrecipes.callbacks.exact_checkpoint import ExactCheckpoint
from kerasrecipes.data.inference import batch_runner
from kerasrecipes.errors import out_of_memory


class TooSmall(keras.callbacks.Callback):
    """Runs out of memory in the middle of an epoch, counted over all stages, as often as told."""

    def __init__(self, stage: int, epoch: int, times: int):
        super().__init__()
        self.where, self.times, self.fits = (stage, epoch), times, 0
        self.forgets = self.seen = 0

    def on_train_begin(self, logs=None):
        self.fits += 1

    def on_epoch_begin(self, epoch, logs=None):
        self.seen += 1
        stage = self.fits - self.forgets - 1
        self.fails = self.times > 0 and (stage, epoch) == self.where

    def on_train_batch_end(self, batch, logs=None):
        if self.fails and batch == 1:
            self.times -= 1
            self.forgets += 1
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")


@pytest.fixture(scope="module")
def make(tiny_spec, quick_recipe):
    def recipe(**changes):
        settings = {
            "backbone": tiny_spec(),
            "schedule": UnfreezeSchedule.two_phase(epochs=2, head_epochs=2, open_fraction=1.0),
            # Parts draw masks of their own.
            "dropout": 0.0,
            "mix": "mixup",
            "clip_norm": 0.5,
            "batch_size": 7,  # which the parts do not divide, nor it the photos
        }
        return quick_recipe(**{**settings, **changes})

    return recipe


def losses(report):
    return [
        value for stage in report.stages for name in ("loss", "val_loss")
        for value in stage.history[name]
    ]  # fmt: skip


@pytest.mark.proof
def test_the_outcome_is_that_of_whole_batches(part_sets, make, tmp_path, capsys, monkeypatch):
    begin = ExactCheckpoint.__init__
    monkeypatch.setattr(
        ExactCheckpoint,
        "__init__",
        lambda self, folder, every=1, **options: begin(self, folder, every=1, **options),
    )
    train, val, _ = part_sets
    whole = make()
    one = whole.fit(train, val, verbose=False)
    split, accident = make(), TooSmall(stage=1, epoch=3, times=2)
    other = split.fit(train, val, callbacks=[accident], run_folder=tmp_path / "run")
    assert accident.times == 0
    told = capsys.readouterr().err
    assert "Stage 'top' begins again, with each batch of 7 in 2 parts, to the same" in told
    assert "with each batch of 7 in 4 parts" in told
    assert other.callbacks["top: memory"] == {"parts": 4}
    assert "top: memory" not in one.callbacks

    np.testing.assert_allclose(losses(one), losses(other), rtol=1e-5)
    moved = np.abs(whole.model_.get_weights()[0] - tiny_start(whole)).max()
    for a, b in zip(whole.model_.get_weights(), split.model_.get_weights(), strict=True):
        assert np.abs(a - b).max() < 1e-3 * moved
    # What is kept on the disk is one whole stage, not what had been before it failed.
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == 4


def tiny_start(recipe):
    return recipe.backbone.build((48, 48)).get_weights()[0]


def test_a_batch_that_cannot_be_cut_further_is_an_error(part_sets, make):
    for changes, reason in (
        ({"batch_size": 3}, "cannot be cut any further. Lower `batch_size` or `image_size`"),
        ({"head": "embedding"}, "since the loss compares all its photos"),
    ):
        with pytest.raises(TrainingError, match=f"too small for a batch of .*{reason}"):
            make(**changes).fit(*part_sets[:2], verbose=False, callbacks=[TooSmall(0, 0, times=9)])


def test_trained_batch_norm_is_told_to_differ(part_sets, make, small_backbone, capsys):
    recipe = make(backbone=small_backbone, batch_norm="train")
    recipe.fit(*part_sets[:2], callbacks=[TooSmall(0, 0, times=1)])
    assert "BatchNormalization measures each part on its own" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("something else"),
        tf.errors.ResourceExhaustedError(None, None, "events: No space left on device"),
    ],
)
def test_other_errors_are_not_taken_for_it(part_sets, make, error):
    class Breaks(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise error

    with pytest.raises(type(error), match="something else|No space left"):
        make().fit(*part_sets[:2], verbose=False, callbacks=[Breaks()])


def test_the_error_of_jax_is_known():
    message = "RESOURCE_EXHAUSTED: Out of memory allocating 34359738368 bytes."
    assert out_of_memory(type("JaxRuntimeError", (RuntimeError,), {})(message))


class Small:
    """A model that has memory for so many photos."""

    def __init__(self, room: int):
        self.room, self.sizes = room, []

    def ask(self, photos):
        self.sizes.append(len(photos))
        if len(photos) > self.room:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return [photos + 1, photos.sum(1)]


def test_frozen_blocks_are_computed_in_batches_that_fit(monkeypatch):
    monkeypatch.setattr("kerasrecipes.data.inference._compiled", lambda model: model.ask)
    model = Small(room=3)
    run, photos = batch_runner(model), np.arange(22.0).reshape(11, 2)
    for _ in range(2):
        plus, total = run(photos)
        np.testing.assert_array_equal(plus, photos + 1)
        np.testing.assert_array_equal(total, photos.sum(1))
    # Having found what fits, it does not try again.
    assert model.sizes == [11, 5, *[2, 2, 2, 2, 2, 1] * 2]
    with pytest.raises(TrainingError, match="too small to run the model on a single photo. Lower"):
        batch_runner(Small(room=0))(photos)
    assert not issubclass(TrainingError, ArithmeticError)


def test_a_search_without_memory_says_what_to_do(part_sets, make, monkeypatch):
    def fails(*_, **__):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(
        "kerasrecipes.callbacks.learning_rates.lr_finder.LRFinder.on_train_batch_begin", fails
    )
    recipe = make(schedule=UnfreezeSchedule.head_only(epochs=1, learning_rate="auto"))
    with pytest.raises(TrainingError, match="search the learning rate of stage 'head', which take"):
        recipe.fit(*part_sets[:2], verbose=False)


def test_models_that_are_traced_once_each_are_not_warned_of():
    told = []
    listener = logging.Handler()
    listener.emit = told.append
    logger = logging.getLogger("tensorflow")
    logger.addHandler(listener)
    try:
        for _ in range(6):
            photo = keras.Input((2,))
            run = batch_runner(keras.Model(photo, keras.layers.Rescaling(2.0)(photo)))
            np.testing.assert_array_equal(run(np.ones((3, 2), np.float32))[0], np.full((3, 2), 2))
    finally:
        logger.removeHandler(listener)
    assert [one.getMessage() for one in told] == []
