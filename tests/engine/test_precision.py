"""Mixed precision: chosen by the hardware, trained in 16 bits, returned in 32."""

import keras
import numpy as np
import pytest

from kerasrecipes import UnfreezeSchedule
from kerasrecipes.callbacks.learning_rates.rates import current_rates
from kerasrecipes.engine.devices import precision as precisions


@pytest.fixture(scope="module")
def make(tiny_spec, quick_recipe):
    def recipe(**changes):
        settings = {
            "backbone": tiny_spec(),
            "schedule": UnfreezeSchedule.full(epochs=6, learning_rate=3e-3),
            "weight_decay": 0.0,
        }
        return quick_recipe(**{**settings, **changes})

    return recipe


@pytest.fixture(scope="module")
def in_float32(part_sets, make):
    recipe = make(precision="float32")
    recipe.fit(*part_sets[:2], verbose=False)
    return recipe


@pytest.mark.parametrize(
    "precision", ["mixed_bfloat16", pytest.param("mixed_float16", marks=pytest.mark.proof)]
)
def test_trains_in_16_bits_and_returns_a_float32_model(part_sets, make, in_float32, precision):
    seen = set()

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            photo = np.zeros((1, 48, 48, 3), "float32")
            convolution = self.model.get_layer("stem_conv")
            seen.add((str(convolution(photo).dtype), str(self.model(photo).dtype)))

    recipe = make(precision=precision)
    report = recipe.fit(*part_sets[:2], verbose=False, callbacks=[Look()])
    kinds = {(kind.split("'")[1], logits.split("'")[1]) for kind, logits in seen}
    assert kinds == {(precision.removeprefix("mixed_"), "float32")}
    losses = report.stages[0].history["loss"]
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    assert (report.stages[0].precision, report.stages[0].devices) == (precision, 1)
    assert f"of the parameters trained in {precision}, epoch" in str(report)

    for layer in recipe.model_._flatten_layers():
        assert layer.dtype_policy.name == "float32", layer.name
    assert {str(weight.dtype) for weight in recipe.model_.weights} == {"float32"}
    # The same training but for rounding: near to float32's result, and not the same.
    gap = np.abs(recipe.predict(part_sets[2]) - in_float32.predict(part_sets[2])).max()
    assert 0 < gap < 0.05


def test_float16_with_everything_that_wraps_an_optimizer(part_sets, make, monkeypatch):
    """Many optimizers, averages and accumulation inside, a scale that is too large at first."""
    scaled = keras.optimizers.LossScaleOptimizer
    made, rates = [], []

    class Overflowing(scaled):
        def __init__(self, inner):
            super().__init__(inner, initial_scale=2.0**40)
            made.append(self)

    class Rates(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            rates.append(current_rates(self.model))

    monkeypatch.setattr(keras.optimizers, "LossScaleOptimizer", Overflowing)
    recipe = make(precision="mixed_float16", accumulate=2, clip_norm=1.0)
    report = recipe.fit(*part_sets[:2], verbose=False, callbacks=[Rates()])
    (one,) = made
    assert float(one.dynamic_scale.numpy()) < 2.0**40
    assert {len(values) for values in rates} == {3}  # two blocks and the head
    losses = report.stages[0].history["loss"]
    assert np.isfinite(losses).all() and min(losses) < losses[0]


def test_automatic_is_float32_on_a_cpu(part_sets, make, in_float32):
    assert precisions.choose_precision("auto") == "float32"
    recipe = make()
    recipe.fit(*part_sets[:2], verbose=False)
    for one, other in zip(recipe.model_.weights, in_float32.model_.weights, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("tpu", "capabilities", "chosen"),
    [
        (False, [(7, 0)], "mixed_float16"),
        (False, [(9, 0), (8, 6)], "mixed_float16"),
        (False, [(8, 0), (6, 1)], "float32"),
        (False, [(0, 0)], "float32"),
        (True, [], "mixed_bfloat16"),
    ],
)
def test_automatic_asks_the_hardware(monkeypatch, tpu, capabilities, chosen):
    monkeypatch.setattr(precisions, "_of_tensorflow", lambda: (tpu, capabilities))
    assert precisions.choose_precision("auto") == chosen


def test_an_unknown_precision_is_refused_first(make):
    with pytest.raises(ValueError, match="Unknown precision 'mixed_float61'. Did you mean 'mixed"):
        make(precision="mixed_float61").fit(None, None)


def test_layers_that_scale_photos_keep_all_digits():
    scaling, dense = keras.layers.Rescaling(1 / 255), keras.layers.Dense(2)
    with precisions.computing_in("mixed_float16", [scaling, dense]):
        kinds = [layer.compute_dtype for layer in (scaling, dense)]
    assert kinds == ["float32", "float16"]
    assert dense.compute_dtype == "float32"
