import keras
import numpy as np
import pytest
from keras import layers

from kerasrecipes.errors import DataError
from kerasrecipes.training.distillation import Distillation, soften

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
    trained.compile(loss=distillation.loss(3))
    targets = distillation.targets(LABELS, [LOGITS])
    loss = trained.evaluate(X, targets, batch_size=96, verbose=0, return_dict=True)["loss"]
    soft = cross_entropy(soften(LOGITS, temperature), raw, temperature)
    expected = 0.3 * cross_entropy(LABELS, raw) + 0.7 * temperature**2 * soft
    assert loss == pytest.approx(expected, rel=1e-5)


def test_training_moves_the_student_towards_the_teacher():
    model = student(units=16)
    distillation = Distillation(temperature=2.0, alpha=1.0)
    before = np.abs(model.predict(X, verbose=0) - soften(LOGITS, 1)).mean()
    trained = distillation.training_model(model)
    accuracy = [distillation.accuracy(3)]
    trained.compile(keras.optimizers.Adam(0.02), distillation.loss(3), metrics=accuracy)
    # The labels lie; with alpha=1 nobody listens.
    targets = distillation.targets(np.roll(LABELS, 1, axis=1), [LOGITS])
    history = trained.fit(X, targets, epochs=30, verbose=0).history
    after = np.abs(model.predict(X, verbose=0) - soften(LOGITS, 1)).mean()
    assert after < 0.3 * before
    assert history["accuracy"][-1] < 0.2  # as the labels say
    assert [layer.name for layer in model.layers][-1] == "scores"  # the student is as it was


def test_features_are_learned_through_a_regressor():
    wanted = np.tanh(X @ RNG.normal(size=(6, 4))).astype("float32")
    distillation = Distillation(feature_weight=2.0)
    model = student()
    trained = distillation.training_model(model, features="pool", feature_size=4)
    trained.compile(keras.optimizers.Adam(0.02), distillation.loss(3))
    targets = distillation.targets(LABELS, [LOGITS], wanted)
    first = model.get_layer("pool").get_weights()[0]

    def gap():
        return np.square(trained.predict(X, verbose=0)[:, 3:] - wanted).mean()

    before = gap()
    trained.fit(X, targets, epochs=20, verbose=0)
    assert gap() < 0.6 * before
    assert np.abs(model.get_layer("pool").get_weights()[0] - first).max() > 1e-3


def test_an_ensemble_is_the_mean_of_its_probabilities():
    other = np.roll(LOGITS, 1, axis=1)
    found = Distillation(3.0).targets(LABELS, [LOGITS, other])[:, 3:]
    assert found == pytest.approx((soften(LOGITS, 3) + soften(other, 3)) / 2, abs=1e-6)


def test_each_view_has_its_row():
    views = np.stack([LOGITS, -LOGITS])
    found = Distillation(1.0).targets(LABELS, [views])
    assert found.shape == (2, 96, 6)
    assert found[1, :, 3:] == pytest.approx(soften(-LOGITS, 1), abs=1e-6)
    assert (found[0, :, :3] == LABELS).all() and (found[1, :, :3] == LABELS).all()


def test_wrong_use_is_named():
    model = student()
    for action, kind, message in (
        (lambda: Distillation(temperature=0), ValueError, "`temperature` must lie between"),
        (lambda: Distillation(alpha=1.5), ValueError, "`alpha` must lie between 0 and 1"),
        (lambda: Distillation(alpha=0), ValueError, "the teacher has no effect"),
        (lambda: Distillation(feature_weight=1.0).training_model(model, "pol", 4), ValueError,
         "no layer 'pol'. Did you mean 'pool'"),
        (lambda: Distillation().training_model(model, features="pool", feature_size=4),
         ValueError, "Features need all of"),
        (lambda: Distillation().targets(LABELS, []), DataError, "`logits` is empty"),
        (lambda: Distillation().targets(LABELS, LOGITS), DataError, "a list of arrays"),
        (lambda: Distillation().targets(LABELS, [LOGITS], X), DataError, "exactly if"),
        (lambda: Distillation(feature_weight=1.0).targets(LABELS, [LOGITS]), DataError, "exactly"),
        (lambda: Distillation(feature_weight=1.0).targets(LABELS, [LOGITS], X[:5]), DataError,
         "`features` has the shape"),
        (lambda: Distillation().targets(LABELS, [LOGITS * np.nan]), DataError, "is not finite"),
    ):  # fmt: skip
        with pytest.raises(kind, match=message):
            action()


def test_answers_that_are_no_classes_are_softened_in_their_way():
    labels = (LOGITS > 0).astype("float32")
    raw = RNG.normal(size=LOGITS.shape).astype("float32")

    def entropy(wanted, scores):
        said = 1 / (1 + np.exp(-scores))
        return -(wanted * np.log(said) + (1 - wanted) * np.log(1 - said)).mean(axis=1)

    each = Distillation(2.0, alpha=0.7, answers="sigmoid")
    targets = each.targets(labels, [LOGITS])
    soft = 1 / (1 + np.exp(-LOGITS / 2))
    np.testing.assert_allclose(targets, np.hstack([labels, soft]), rtol=1e-5)
    expected = 0.3 * entropy(labels, raw) + 0.7 * 4 * entropy(soft, raw / 2)
    np.testing.assert_allclose(each.loss(3)(targets, raw), expected, rtol=1e-4)
    numbers = Distillation(alpha=0.7, answers="number")
    targets = numbers.targets(labels[:, :1], [LOGITS[:, :1], 3 * LOGITS[:, :1]])
    np.testing.assert_allclose(targets, np.hstack([labels[:, :1], 2 * LOGITS[:, :1]]), rtol=1e-5)
    squares = 0.3 * (labels[:, 0] - raw[:, 0]) ** 2 + 0.7 * (2 * LOGITS[:, 0] - raw[:, 0]) ** 2
    np.testing.assert_allclose(numbers.loss(1)(targets, raw[:, :1]), squares, rtol=1e-4)
    with pytest.raises(ValueError, match="Unknown kind of answers 'sigmod'. Did you mean"):
        Distillation(answers="sigmod")
