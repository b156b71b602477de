import keras
import numpy as np
import pytest

from kerasrecipes import ExactCheckpoint
from kerasrecipes.callbacks.drift_check import DriftCheck, forgotten, similarity


def data(n: int, shift: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(shift, 1, (n, 6)).astype("float32")
    return x, (x[:, 0] > shift).astype("int32")


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(16, activation="relu", name="hidden"), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((6,)), *layers])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.05), loss)
    return model


def fit(model, check, epochs=2):
    x, y = data(200, 0, 1)
    return model.fit(x, y, epochs=epochs, verbose=0, callbacks=[check]).history


def test_a_shift_between_the_sides_is_said_before_training(model, capsys):
    check = DriftCheck(data(200, 0, 1)[0], data(120, 0.8, 2)[0])
    history = fit(model, check)
    assert check.differs and check.summary()["p_value"] < 1e-4
    assert "NOT like the training data" in capsys.readouterr().err
    assert history["feature_similarity"] == check.summary()["similarities"]


def test_sides_of_one_source_are_alike_as_often_as_promised(model):
    differs = 0
    for seed in range(20):
        check = DriftCheck(data(100, 0, 10 + seed)[0], data(80, 0, 110 + seed)[0], level=0.05)
        check.set_model(model)
        check.on_train_begin()
        differs += check.differs
    assert differs <= 4


@pytest.mark.parametrize("kind", ["x", "x and y", "dict of one"])
def test_datasets_are_read_like_arrays(model, kind):
    import tensorflow as tf

    (x, y), (a, b) = data(200, 0, 1), data(200, 0.8, 2)
    make = {
        "x": lambda x, y: tf.data.Dataset.from_tensor_slices(x),
        "x and y": lambda x, y: tf.data.Dataset.from_tensor_slices((x, y)),
        "dict of one": lambda x, y: tf.data.Dataset.from_tensor_slices((x, y, y)).repeat(),
    }[kind]
    check = DriftCheck(make(x, y).batch(32), make(a, b).batch(32), examples=200)
    arrays = DriftCheck(x, a, examples=200)
    for one in (check, arrays):
        one.set_model(model)
        one.on_train_begin()
    assert check.p_value == arrays.p_value


def test_features_that_stay_are_told_from_those_that_move(model):
    x = data(200, 0, 1)[0]
    still = DriftCheck(x, x[:80], layer="hidden")
    model.get_layer("hidden").trainable = False
    model.compile(model.optimizer, model.loss)
    history = fit(model, still)
    assert history["feature_similarity"] == [1.0, 1.0] and history["forgotten"] == [0.0, 0.0]
    model.get_layer("hidden").trainable = True
    model.compile(keras.optimizers.SGD(5.0), model.loss)
    assert fit(model, DriftCheck(x, x[:80], layer="hidden"))["feature_similarity"][-1] < 0.95


def test_similarity_knows_rotations_from_other_features():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 5))
    turned = rows @ np.linalg.qr(rng.normal(size=(5, 5)))[0] * 7 + 3
    assert similarity(rows, turned) == 1.0
    assert similarity(rows, rng.normal(size=(300, 5))) < 0.1
    assert similarity(rows, rows * 0) == 1.0


def test_features_that_gain_are_told_from_those_that_lose():
    rng = np.random.default_rng(0)
    rows, noise = rng.normal(size=(200, 6)), rng.normal(size=(200, 6))
    assert forgotten(rows, np.hstack([rows @ rng.normal(size=(6, 6)), 3 * noise])) < 0.1
    assert 0.3 < forgotten(rows, rows[:, :3]) < 0.7
    assert forgotten(rows, noise) > 0.95
    assert forgotten(rows * 0, noise) == 0.0


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"train": np.zeros((30, 6))}, "belong together"),
        ({"examples": 5}, "`examples` must be at least 20"),
        ({"level": 1.5}, "`level` must be between"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        DriftCheck(**arguments)


@pytest.mark.parametrize(
    "check, message",
    [
        (lambda x: DriftCheck(), "no data to compare"),
        (lambda x: DriftCheck(x, x[:8]), "20 examples"),
        (lambda x: DriftCheck(x, x, layer="hiden"), "`layer` must be one of"),
    ],
)
def test_what_cannot_be_compared_is_said_before_training(model, check, message):
    with pytest.raises(ValueError, match=message):
        fit(model, check(data(100, 0, 1)[0]))


def test_a_recipe_gives_it_the_photos_of_its_fit(small_recipe, part_sets):
    train, *_ = part_sets
    recipe = small_recipe()
    report = recipe.fit(train, train, callbacks=[DriftCheck()], verbose=False)
    found = report.callbacks["head: DriftCheck"]
    assert not found["differs"] and len(found["similarities"]) == 2


class Batches(keras.utils.PyDataset):
    def __init__(self, x):
        super().__init__()
        self.x = x

    def __len__(self):
        return 10

    def __getitem__(self, place):
        return self.x[20 * place : 20 * place + 20], np.zeros(20)


def test_a_py_dataset_is_read_like_an_array(model):
    x, val = data(200, 0, 1)[0], data(200, 0.8, 2)[0]
    checks = DriftCheck(Batches(x), Batches(val), examples=200), DriftCheck(x, val, examples=200)
    for one in checks:
        one.set_model(model)
        one.on_train_begin()
    assert checks[0].p_value == checks[1].p_value


def test_what_cannot_be_compared_is_refused_in_words(model):
    import tensorflow as tf

    x, y = data(40, 0, 1)
    holes = np.where(np.arange(6) == 3, np.nan, x)
    named = tf.data.Dataset.from_tensor_slices(({"a": x},)).batch(8)
    for train, words in {
        "generator": ((row for row in x), "as one array, not generator"),
        "pair": ((x, y), "as one array, not tuple. Pass `x`"),
        "by name": ({"a": x}, "as one array, not dict"),
        "dataset by name": (named, "as one array, not dict"),
        "no batches": (tf.data.Dataset.from_tensor_slices(x), r"in batches. Call `batch\(32\)`"),
        "NaN": (holes, "not finite. Look for NaN in `train`"),
    }.values():
        check = DriftCheck(train, x)
        check.set_model(model)
        with pytest.raises(ValueError, match=words):
            check.on_train_begin()
    check = DriftCheck(x, x)
    check.set_model(type("Own", (keras.Model,), {})())
    with pytest.raises(ValueError, match="needs a functional or sequential model"):
        check.on_train_begin()


def test_a_resumed_fit_is_compared_with_the_features_of_the_first_beginning(tmp_path):
    x, y = data(200, 0, 1)

    def fit(folder, epochs):
        keras.utils.set_random_seed(0)
        layers = [keras.layers.Dense(8, activation="relu"), keras.layers.Dense(2)]
        model = keras.Sequential([keras.Input((6,)), *layers])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(1.0), loss)
        check = DriftCheck(x, x)
        exact = ExactCheckpoint(folder, stateful=[check])
        start = exact.restore(model)
        model.fit(x, y, epochs=epochs, initial_epoch=start.epoch, verbose=0, shuffle=False,
                  callbacks=[check, exact])  # fmt: skip
        return check.similarities

    whole = fit(tmp_path / "whole", 4)
    fit(tmp_path / "parts", 2)
    assert fit(tmp_path / "parts", 4) == whole and len(whole) == 4
