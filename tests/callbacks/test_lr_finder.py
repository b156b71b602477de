import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasrecipes.callbacks.learning_rates.lr_finder import LRFinder
from kerasrecipes.callbacks.learning_rates.search import (
    copy_dataset,
    find_group_learning_rates,
    find_learning_rate,
)

QUICK = {"steps": 20, "sweeps": 2, "batch_size": 8}


class GlobalNoise(keras.layers.Layer):
    """Draws from Keras's global generator."""

    def call(self, x):
        return x + 0.01 * keras.random.normal((8, 4))


def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(32, 4)).astype("float32")
    return x, (x @ [1.0, -2.0, 0.5, 0.0] > 0).astype("float32")[:, None]


def new_model(rate=0.01, ema=False, global_noise=False):
    keras.utils.set_random_seed(1)
    layers = [
        keras.Input((4,)),
        *([GlobalNoise()] if global_noise else []),
        keras.layers.Dense(8, name="body"),
        keras.layers.BatchNormalization(name="norm"),
        keras.layers.Dropout(0.3, name="drop"),
        keras.layers.Dense(1, activation="sigmoid", name="head"),
    ]
    model = keras.Sequential(layers)
    optimizer = keras.optimizers.AdamW(rate, use_ema=ema)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    return model


def values(variable):
    return keras.ops.convert_to_numpy(variable).copy()


def everything(model):
    """All that a sweep might leave behind, as bytes."""
    return [
        [values(v).tobytes() for v in model.variables],
        [v.trainable for v in model.variables],
        [values(v).tobytes() for v in model.optimizer.variables],
        model.optimizer.built,
        [values(v).tobytes() for v in model.metrics_variables],
        id(model.optimizer),
        model.history if hasattr(model, "history") else None,
        random.getstate(),
        np.random.get_state()[1].tobytes(),
    ]


def dataset(shuffle=True):
    made = tf.data.Dataset.from_tensor_slices(data())
    return (made.shuffle(32, seed=5) if shuffle else made).batch(8, drop_remainder=True)


SCHEDULE = keras.optimizers.schedules.CosineDecay(0.01, 100)
CASES = {
    "new": (False, {}),
    "new, averaged": (False, {"ema": True}),
    "trained, with a schedule": (True, {"rate": SCHEDULE}),
    "trained, with global noise": (True, {"global_noise": True}),
}


@pytest.mark.parametrize(("warm", "settings"), CASES.values(), ids=CASES)
def test_a_later_training_is_as_if_there_had_been_no_sweep(warm, settings):
    """fastai#2892 and #3013: its `lr_find` changed the optimizer, and the results after it."""
    ends = []
    for sweep in (False, True):
        model, batches = new_model(**settings), dataset()
        if warm:
            model.fit(batches, epochs=1, verbose=0)
        if sweep:
            before = everything(model)
            find_learning_rate(model, batches, **QUICK)
            assert everything(model) == before
        history = model.fit(batches, epochs=2, verbose=0).history
        ends.append((history, everything(model)[0], everything(model)[2], np.random.random()))
    assert ends[0] == ends[1]


def test_later_numpy_training_keeps_its_order():
    ends = []
    for sweep in (False, True):
        model = new_model()
        if sweep:
            find_learning_rate(model, data(), **QUICK)
        model.fit(*data(), batch_size=8, epochs=2, verbose=0)
        ends.append(everything(model)[0])
    assert ends[0] == ends[1]


def test_two_searches_agree():
    """fastai#3295 and #3185: each call to `lr_find` gave another curve."""
    model = new_model()
    first, second = (find_learning_rate(model, data(), **QUICK) for _ in range(2))
    assert first == second


def test_reading_a_shuffled_data_set_moves_it_on_and_its_copy_does_not():
    def order(batches):
        return [float(v) for x, _ in batches.as_numpy_iterator() for v in x[:, 0]]

    expected = dataset()
    expected = [order(expected), order(expected)]
    read = dataset()
    order(read)
    assert [order(read), order(read)] != expected  # the trap
    copied = dataset()
    copy = copy_dataset(copied)
    assert sorted(order(copy)) == sorted(expected[0])
    order(copy.repeat(2))
    assert [order(copied), order(copied)] == expected


def test_cached_and_generated_data_sets_can_be_copied():
    def generate():
        yield from range(6)

    spec = tf.TensorSpec((), tf.int64)
    generated = tf.data.Dataset.from_generator(generate, output_signature=spec)
    for made in (generated, generated.cache(), generated.map(lambda i: i).prefetch(1)):
        assert list(copy_dataset(made).take(3).as_numpy_iterator()) == [0, 1, 2]
        assert list(made.as_numpy_iterator()) == list(range(6))


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_broken_sweep_leaves_nothing_behind(error, monkeypatch):
    model, batches = new_model(rate=SCHEDULE), dataset()
    before = everything(model)

    def breaks(self, loss):
        np.random.random()
        self.losses.append(loss)
        if len(self.losses) == 7:
            raise error

    monkeypatch.setattr(LRFinder, "judge", breaks)
    with pytest.raises(error):
        find_learning_rate(model, batches, **QUICK)
    assert everything(model) == before


@pytest.mark.parametrize("rate", [0.01, SCHEDULE], ids=["float", "schedule"])
def test_the_callback_alone_restores_too(rate):
    model = new_model(rate)
    model.fit(*data(), batch_size=8, verbose=0)
    before = everything(model)
    function = model.train_function
    finder = LRFinder(steps=20, sweeps=2)
    model.fit(*data(), batch_size=8, epochs=10, verbose=0, callbacks=[finder])
    after = everything(model)
    metrics, history = 4, 6  # a fit of any kind leaves these
    for part in set(range(len(before))) - {metrics, history}:
        assert after[part] == before[part], part
    assert model.train_function is function
    assert [len(sweep.rates) <= 20 for sweep in finder.suggestion.sweeps] == [True, True]
    assert finder.summary()["sweeps"] == 2


def test_a_sweep_sees_each_steps_own_loss_at_its_own_rate():
    """The second of the traps: Keras logs a running mean."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.layers[0].kernel.assign([[0.0]])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    finder = LRFinder(lowest=1e-3, highest=1e-1, steps=20, sweeps=1)
    x = y = np.ones((100, 1))
    model.fit(x, y, batch_size=4, verbose=0, callbacks=[finder])
    weight, expected = 0.0, []
    for rate in finder.rates:
        expected.append((weight - 1) ** 2)
        weight -= rate * 2 * (weight - 1)
    (sweep,) = finder.suggestion.sweeps
    assert sweep.losses == pytest.approx(expected, rel=1e-4)
    assert sweep.rates == pytest.approx(np.geomspace(1e-3, 1e-1, 20))
    assert not sweep.diverged


def test_partial_batches_count_by_their_size():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.layers[0].kernel.assign([[0.0]])
    model.compile(keras.optimizers.SGD(1e-9), "mse")
    y = np.array([[1.0], [1.0], [1.0], [2.0], [2.0]])
    batches = tf.data.Dataset.from_tensor_slices((np.ones((5, 1)), y)).batch(2)
    found = find_learning_rate(model, batches, steps=20, sweeps=1, highest=2e-7)
    assert found.sweeps[0].losses == pytest.approx(([1.0, 2.5, 4.0] * 7)[:20], rel=1e-3)


def test_an_explosion_ends_the_sweep_and_caps_the_rate():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    found = find_learning_rate(model, data(), steps=60, sweeps=2, batch_size=16)
    assert all(sweep.diverged and len(sweep.rates) < 60 for sweep in found.sweeps)
    assert found.learning_rate <= max(sweep.rates[-1] for sweep in found.sweeps) / 10


def test_groups_are_swept_alone():
    model = new_model()
    groups = {"head": "/head/", "body": "/(body|norm)/"}
    before = everything(model)
    found = find_group_learning_rates(
        model, data(), groups, fallback={"head": 1e-3, "body": 1e-5}, **QUICK
    )
    assert everything(model) == before
    assert list(found) == ["head", "body"]
    assert found["head"].sweeps[0].losses != found["body"].sweeps[0].losses
    for name, one in found.items():
        if not one.found:
            assert one.learning_rate == {"head": 1e-3, "body": 1e-5}[name]


def test_the_rates_of_other_groups_are_zero(monkeypatch):
    model = new_model()
    seen = []
    original = LRFinder.judge

    def watch(self, loss):
        seen.append({v.path: values(v) for v in model.layers[-1].weights + model.layers[0].weights})
        original(self, loss)

    monkeypatch.setattr(LRFinder, "judge", watch)
    groups = {"head": [*model.layers[-1].weights], "rest": "/(body|norm)/"}
    find_group_learning_rates(model, data(), groups, highest=0.1, **QUICK)
    half = len(seen) // 2
    for part, moves, stands in (
        (seen[:half], "/head/", "/body/"),
        (seen[half:], "/body/", "/head/"),
    ):
        for path in part[0]:
            distances = [np.abs(step[path] - part[0][path]).max() for step in part]
            assert (max(distances) > 0) == (moves in path), path
            assert moves in path or stands in path


def test_wrong_groups_are_named():
    model = new_model()
    with pytest.raises(ValueError, match="Group 'haed' matches no trainable weight.*body/kernel"):
        find_group_learning_rates(model, data(), {"haed": "^haed/"})
    with pytest.raises(ValueError, match="exactly one group; in none or in several are '.*norm/"):
        find_group_learning_rates(model, data(), {"head": "/head/", "body": "/body/"})
    with pytest.raises(ValueError, match="`fallback` must name the groups"):
        find_group_learning_rates(model, data(), {"all": "."}, fallback={"head": 1e-3})


def test_one_shot_data_is_refused():
    """fastai#3658 and #3240 were about data that the sweep had used up or disturbed."""
    model = new_model()
    for once in (iter([data()]), dataset().as_numpy_iterator(), (pair for pair in [data()])):
        with pytest.raises(ValueError, match="can be read again, not .*would be lost"):
            find_learning_rate(model, once)
    with pytest.raises(ValueError, match="`dataset` is empty"):
        find_learning_rate(model, dataset().take(0))
    with pytest.raises(ValueError, match="of one length"):
        find_learning_rate(model, (np.ones((3, 4)), np.ones((2, 1))))


def test_models_that_cannot_be_swept_are_named():
    raw = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="not compiled"):
        find_learning_rate(raw, data())
    with pytest.raises(ValueError, match="no trainable weights yet"):
        find_learning_rate(keras.Sequential([keras.layers.Dense(1)]), data())

    class Own(keras.Model):
        def train_step(self, data):
            return {}

    inputs = keras.Input((4,))
    own = Own(inputs, keras.layers.Dense(1)(inputs))
    own.compile("sgd", "mse")
    with pytest.raises(ValueError, match="Own has a `train_step` of its own"):
        find_learning_rate(own, data())
    several = new_model()
    several.compile("sgd", "binary_crossentropy", steps_per_execution=2)
    with pytest.raises(ValueError, match="2 steps at once"):
        several.fit(*data(), verbose=0, callbacks=[LRFinder()])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lowest": 1.0, "highest": 0.1}, "0 < lowest < highest"),
        ({"steps": 5}, "`steps` must be a whole number of at least 20, not 5"),
        ({"steps": 20.5}, "`steps` must be a whole number of at least 20, not 20.5"),
        ({"sweeps": 0}, "`sweeps` must be a whole number of at least 1, not 0"),
        ({"fallback": None}, "`fallback` must be a learning rate above 0, .* not None"),
        ({"fallback": float("nan")}, "`fallback` must be a learning rate above 0"),
    ],
)
def test_arguments_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        LRFinder(**arguments)


def test_groups_are_checked_before_a_sweep():
    model = new_model()
    with pytest.raises(ValueError, match=r"'\(', for the group 'a' .* no.* regular expression"):
        find_group_learning_rates(model, data(), {"a": "("})
    groups = {"head": "head", "body": "^(?!.*head)"}
    with pytest.raises(ValueError, match="`fallback` must be a learning rate above 0"):
        find_group_learning_rates(model, None, groups, fallback={"head": 1e-3, "body": 0})


def test_multi_optimizer_is_refused():
    model = new_model()
    optimizers = keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.1))
    model.compile(keras.optimizers.MultiOptimizer(optimizers), "binary_crossentropy")
    with pytest.raises(ValueError, match="no single `learning_rate`"):
        find_learning_rate(model, data())


def test_models_with_several_outputs_and_subclassed_ones_can_be_swept():
    inputs = keras.Input((4,))
    outputs = {name: keras.layers.Dense(1, name=name)(inputs) for name in ("a", "b")}
    double = keras.Model(inputs, outputs)
    double.compile("sgd", {"a": "mse", "b": "mse"}, loss_weights={"a": 1.0, "b": 0.5})
    x, y = data()
    assert len(find_learning_rate(double, (x, {"a": y, "b": y}), **QUICK).sweeps) == 2

    class Sub(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, x):
            return self.dense(x)

    sub = Sub()
    sub(x)
    sub.compile("adam", "mse")
    before = everything(sub)
    assert len(find_learning_rate(sub, (x, y), **QUICK).sweeps) == 2
    assert everything(sub) == before
