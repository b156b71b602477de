"""What every loss promises, Keras's own among them: gradients, reloading, weights, stability."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasrecipes.losses import _REGISTRY, PREDICTIONS, get_loss, list_losses

COUNTS = [400, 90, 20, 5]
OPTIONS = {
    "expected_cost": {"costs": [[0, 1, 2, 9], [1, 0, 1, 1], [3, 1, 0, 1], [50, 1, 1, 0]]},
    "binary_cross_entropy": {"positive_weights": [2.0, 1.0, 0.5, 3.0]},
}
NAMES = [(name, on) for on in PREDICTIONS for name in list_losses(on)]
KERAS = {"cross_entropy", "focal", "binary_focal"} | set(list_losses("numbers"))
OURS = [pair for pair in NAMES if pair[0] not in KERAS]
SOFT = np.array([[0.7, 0.1, 0.1, 0.1], [0, 0.5, 0.5, 0], [0, 0, 1, 0], [0.25] * 4, [1, 0, 0, 0]])
HARD = np.eye(4)[[0, 1, 1, 3, 0]]


def make(name, on, **more):
    return get_loss(name, on, class_counts=COUNTS, **OPTIONS.get(name, {}), **more)


def remade(loss, **changes):
    return type(loss).from_config({**loss.get_config(), **changes})


def predictions(on, rows=5):
    values = np.random.default_rng(3).normal(size=(rows, 4))
    if on == "cosines":
        return 30 * np.tanh(values)
    return values


def test_all_names_are_walked():
    assert len(NAMES) == len(list(_REGISTRY)) == 16
    assert len(OURS) == 10


@pytest.mark.parametrize("name", list(_REGISTRY))
def test_the_table_says_what_the_class_takes(name):
    kind = _REGISTRY.get(name)
    loss = kind.maker()
    takes = inspect.signature(loss).parameters
    counts = {"class_counts"} if kind.counts else set()
    own = {*kind.options, *counts, *(["label_smoothing"] if kind.smooths else [])}
    assert set(takes) - {"name", "reduction", "dtype", "axis", "from_logits", "options"} == own
    without_default = {n for n, p in takes.items() if p.default is p.empty and n != "options"}
    assert without_default == {*kind.needs, *counts}
    assert inspect.getdoc(loss)


@pytest.mark.parametrize("targets", [HARD, SOFT], ids=["hard", "soft"])
@pytest.mark.parametrize(("name", "on"), OURS)
def test_gradient_is_that_of_finite_differences(name, on, targets):
    loss = remade(make(name, on), dtype="float64", reduction="sum")
    at = predictions(on)

    def value(x):
        return float(loss(targets, x))

    x = tf.Variable(at)
    with tf.GradientTape() as tape:
        result = loss(targets, x)
    gradient = tape.gradient(result, x).numpy()
    step, numeric = 1e-5, np.zeros_like(at)
    for place in np.ndindex(at.shape):
        up, down = at.copy(), at.copy()
        up[place] += step
        down[place] -= step
        numeric[place] = (value(up) - value(down)) / (2 * step)
    assert np.abs(gradient).max() > 1e-3
    np.testing.assert_allclose(gradient, numeric, atol=1e-7 * np.abs(numeric).max() + 1e-9)


@pytest.mark.parametrize(("name", "on"), NAMES)
def test_reloads_by_keras(name, on):
    loss = make(name, on)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert type(again) is type(loss) and again.get_config() == loss.get_config()
    assert float(again(HARD, predictions(on))) == float(loss(HARD, predictions(on)))


@pytest.mark.parametrize(("name", "on"), OURS)
def test_weights_weigh_the_losses_of_photos(name, on):
    loss, at = make(name, on), predictions(on)
    each = remade(loss, reduction="none")(HARD, at).numpy()
    weights = np.array([0.0, 2.0, 1.0, 0.5, 3.0])
    assert each.shape == (5,) and np.ptp(each) > 0
    assert float(loss(HARD, at)) == pytest.approx(each.mean(), rel=1e-5)
    assert float(loss(HARD, at, weights)) == pytest.approx((each * weights).mean(), rel=1e-5)


@pytest.mark.parametrize("size", [1e4, 6e4])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize(("name", "on"), OURS)
def test_extreme_predictions_stay_finite(name, on, dtype, size):
    """Mixed precision hands half-precision predictions over; the loss computes in float32."""
    loss = make(name, on)
    x = tf.Variable((size * np.sign(predictions(on))).astype(dtype))
    with tf.GradientTape() as tape:
        value = loss(HARD, x)
    assert value.dtype == "float32" and np.isfinite(float(value))
    assert np.isfinite(tape.gradient(value, x).numpy()).all()


@pytest.mark.parametrize("name", list_losses())
def test_a_masked_step_does_not_count(name):
    given = keras.Input((None, 4))
    masked = keras.layers.Masking()(given)
    model = keras.Model(given, keras.layers.Activation("linear")(masked))
    loss = make(name, "logits")
    model.compile(loss=loss)
    x = predictions("logits", rows=6).reshape(2, 3, 4)
    x[0, 2] = 0  # what Masking leaves out
    y = np.eye(4)[[[0, 1, 2], [3, 0, 1]]]
    kept = [0, 1, 3, 4, 5]
    alone = float(loss(y.reshape(6, 4)[kept], x.reshape(6, 4)[kept]))
    assert model.evaluate(x, y, verbose=0) == pytest.approx(alone, rel=1e-5)
    assert float(loss(y.reshape(6, 4), x.reshape(6, 4))) != pytest.approx(alone, rel=1e-3)


def test_a_compiled_model_comes_back_with_its_loss(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    model.compile("sgd", make("ldam", "logits", max_margin=0.3))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    x = predictions("logits")
    assert again.loss.max_margin == 0.3 and again.loss.class_counts == COUNTS
    assert again.evaluate(x, HARD, verbose=0) == model.evaluate(x, HARD, verbose=0)
