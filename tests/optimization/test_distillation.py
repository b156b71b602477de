import keras
import numpy as np
import pytest
from keras import layers

from kerasrecipes.errors import DataError
from kerasrecipes.optimization.distillation import (
    Distillation,
    mix_targets,
    soften,
    teacher_logits,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(96, 6)).astype("float32")
RULE = RNG.normal(size=(6, 3))
LOGITS = (3 * X @ RULE).astype("float32")
LABELS = np.eye(3, dtype="float32")[LOGITS.argmax(axis=1)]


def student(units=5):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    x = layers.Dense(units, activation="relu", name="pool")(inputs)
    x = layers.Dense(3, name="logits")(x)
    return keras.Model(inputs, layers.Softmax(name="scores")(x), name="student")


def cross_entropy(targets, logits, temperature=1.0):
    return float(-(targets * np.log(soften(logits, temperature))).sum(axis=1).mean())


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_loss_is_the_one_of_the_paper(temperature):
    distillation = Distillation(temperature, alpha=0.7)
    model = student()
    raw = keras.Model(model.input, model.get_layer("logits").output).predict(X, verbose=0)
    trained = distillation.training_model(model)
    trained.compile(**distillation.compile_arguments())
    targets = distillation.targets(LABELS, [LOGITS])
    loss = trained.evaluate(X, targets, batch_size=96, verbose=0, return_dict=True)["loss"]
    soft = cross_entropy(soften(LOGITS, temperature), raw, temperature)
    expected = 0.3 * cross_entropy(LABELS, raw) + 0.7 * temperature**2 * soft
    assert loss == pytest.approx(expected, rel=1e-5)
    if temperature == 1:
        assert cross_entropy(mix_targets(LABELS, [LOGITS], 0.7), raw) == pytest.approx(
            loss, rel=1e-5
        )


def test_training_moves_the_student_towards_the_teacher():
    model = student(units=16)
    distillation = Distillation(temperature=2.0, alpha=1.0)
    before = np.abs(model.predict(X, verbose=0) - soften(LOGITS, 1)).mean()
    trained = distillation.training_model(model)
    trained.compile(keras.optimizers.Adam(0.02), **distillation.compile_arguments())
    # The labels lie; with alpha=1 nobody listens.
    targets = distillation.targets(np.roll(LABELS, 1, axis=1), [LOGITS])
    trained.fit(X, targets, epochs=30, verbose=0)
    after = np.abs(model.predict(X, verbose=0) - soften(LOGITS, 1)).mean()
    assert after < 0.3 * before
    assert [layer.name for layer in model.layers][-1] == "scores"  # the student is as it was


def test_features_are_learned_through_a_regressor():
    wanted = np.tanh(X @ RNG.normal(size=(6, 4))).astype("float32")
    distillation = Distillation(feature_weight=2.0)
    model = student()
    trained = distillation.training_model(model, features="pool", feature_size=4)
    trained.compile(keras.optimizers.Adam(0.02), **distillation.compile_arguments())
    targets = distillation.targets(LABELS, [LOGITS], wanted)
    first = model.get_layer("pool").get_weights()[0]
    history = trained.fit(X, targets, epochs=20, verbose=0).history["features_loss"]
    assert history[-1] < 0.6 * history[0]
    assert np.abs(model.get_layer("pool").get_weights()[0] - first).max() > 1e-3


def test_an_ensemble_is_the_mean_of_its_probabilities():
    other = np.roll(LOGITS, 1, axis=1)
    found = Distillation(3.0).targets(LABELS, [LOGITS, other])["teacher"]
    assert found == pytest.approx((soften(LOGITS, 3) + soften(other, 3)) / 2, abs=1e-6)
    assert mix_targets(LABELS, [LOGITS, other], 1.0).sum(axis=1) == pytest.approx(1)


def test_a_teacher_is_read_once_in_order():
    model = student()
    batches = [X[i : i + 40] for i in range(0, 96, 40)]
    raw = teacher_logits(model, batches)
    assert raw.shape == (96, 3)
    assert teacher_logits(model, [(b, None) for b in batches]).tolist() == raw.tolist()
    assert soften(raw, 1) == pytest.approx(model.predict(X, verbose=0), abs=1e-6)
    logarithms = teacher_logits(model, batches, layer=None)
    assert soften(logarithms, 5) == pytest.approx(soften(raw, 5), abs=1e-5)
    assert teacher_logits(model, batches, layer="pool").shape == (96, 5)


def test_wrong_use_is_named():
    model = student()
    for action, kind, message in (
        (lambda: Distillation(temperature=0), ValueError, "`temperature` must lie between"),
        (lambda: Distillation(alpha=1.5), ValueError, "`alpha` must lie between 0 and 1"),
        (lambda: Distillation(alpha=0), ValueError, "the teacher has no effect"),
        (lambda: Distillation().training_model(model, logits="logit"), ValueError,
         "no layer 'logit'. Did you mean 'logits'"),
        (lambda: Distillation().training_model(model, features="pool", feature_size=4),
         ValueError, "Features need all of"),
        (lambda: Distillation().targets(LABELS, []), DataError, "`logits` is empty"),
        (lambda: Distillation().targets(LABELS, LOGITS), DataError, "a list of arrays"),
        (lambda: Distillation().targets(LABELS, [LOGITS], X), DataError, "exactly if"),
        (lambda: Distillation(feature_weight=1.0).targets(LABELS, [LOGITS]), DataError, "exactly"),
        (lambda: Distillation(feature_weight=1.0).targets(LABELS, [LOGITS], X[:5]), DataError,
         "`features` has 5 rows, and `labels` 96"),
        (lambda: mix_targets(LABELS, [LOGITS], 0), ValueError, "`alpha` must lie above 0"),
        (lambda: teacher_logits(model, []), DataError, "`batches` is empty"),
    ):  # fmt: skip
        with pytest.raises(kind, match=message):
            action()
    model.get_layer("logits").bias.assign([np.nan, 0, 0])
    with pytest.raises(DataError, match="What 'student' says is not finite"):
        teacher_logits(model, [X])
