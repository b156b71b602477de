import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasrecipes import TrainingError
from kerasrecipes.callbacks.divergence_guard import DivergenceGuard
from kerasrecipes.callbacks.learning_rates.rates import ScaledSchedule

ONES = np.ones((40, 1), dtype="float32")
SCHEDULES = keras.optimizers.schedules


def new_model(rate=0.01, **settings):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, use_bias=False), keras.layers.Dropout(0.1)]
    )
    model.layers[0].kernel.assign([[0.5]])
    model.compile(keras.optimizers.Adam(rate), "mse", **settings)
    return model


def poisoned(step, value=np.nan):
    """Targets of 20 steps of 2, one of which is bad."""
    y = ONES.copy()
    y[2 * step] = value
    return y


def fit(model, y, guard, *others, epochs=1):
    return model.fit(
        ONES, y, batch_size=2, shuffle=False, epochs=epochs, callbacks=[guard, *others], verbose=0
    ).history


class Once(keras.callbacks.Callback):
    """Ruins the weights after one step of the whole training, as a bad update does."""

    def __init__(self, step, value):
        super().__init__()
        self.step, self.value, self.count = step, value, 0

    def on_train_batch_end(self, batch, logs=None):
        self.count += 1
        if self.count == self.step:
            self.model.layers[0].kernel.assign([[self.value]])


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e4])
def test_ruined_weights_are_rolled_back_and_the_training_goes_on(value, capsys):
    model, guard = new_model(), DivergenceGuard(window=2)
    history = fit(model, ONES, guard, Once(7, value))
    assert len(guard.rollbacks) == 1
    assert guard.rollbacks[0]["step"] in {7, 8}
    assert np.isfinite(model.get_weights()[0]).all()
    assert abs(float(model.layers[0].kernel[0, 0]) - 1) < 0.6
    assert np.isfinite(history["loss"][0])  # the trap: Keras's running mean keeps the NaN
    assert float(model.optimizer.learning_rate) == pytest.approx(0.003)
    assert len(guard.losses) == 20
    line = capsys.readouterr().err
    assert line.startswith("Rolled back: the loss")
    assert "falls from 0.01 to 0.003" in line


def test_the_state_comes_back_bit_for_bit():
    model = new_model()
    model.fit(ONES, ONES, verbose=0)
    wanted = [np.array(v) for v in (*model.get_weights(), *optimizer_values(model))]
    with pytest.raises(TrainingError):
        fit(model, poisoned(19), DivergenceGuard(max_rollbacks=0))
    found = [*model.get_weights(), *optimizer_values(model)]
    assert all((a == b).all() for a, b in zip(wanted, found, strict=True))


def optimizer_values(model):
    return [keras.ops.convert_to_numpy(v) for v in model.optimizer.variables]


def test_a_snapshot_of_ruined_weights_is_never_kept():
    """The loss of a step is measured before its update: at the end of epoch 1 it is fine."""
    model, guard = new_model(), DivergenceGuard()
    fit(model, ONES, guard, Once(20, np.nan), epochs=2)
    assert [event["step"] for event in guard.rollbacks] == [20]
    assert np.isfinite(model.get_weights()[0]).all()


def test_a_finite_but_ruined_snapshot_is_not_gone_back_to():
    model, guard = new_model(), DivergenceGuard(window=4, factor=30.0)
    fit(model, ONES, guard, Once(20, 50.0), epochs=2)
    assert [event["epoch"] for event in guard.rollbacks] == [2]
    assert abs(float(model.layers[0].kernel[0, 0]) - 1) < 0.6


def test_the_higher_loss_of_an_earlier_state_is_no_explosion():
    model, guard = new_model(rate=0.05), DivergenceGuard(window=4, factor=3.0)
    model.layers[0].kernel.assign([[-9.0]])
    model.layers[1].rate = 0.0
    model.optimizer.learning_rate = 0.5
    fit(model, ONES, guard, Once(19, np.nan))
    assert len(guard.rollbacks) == 1  # back to a loss of 100, after one of almost 0
    fit(model, ONES, guard, Once(19, np.nan), epochs=2)
    assert len(guard.rollbacks) == 1


def test_later_snapshots_are_gone_back_to():
    model, guard = new_model(), DivergenceGuard(snapshot_steps=4, window=2)
    seen = []
    follow = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(float(model.layers[0].kernel[0, 0]))
    )
    with pytest.raises(TrainingError):
        guard.max_rollbacks = 0
        model.fit(
            ONES, poisoned(15), batch_size=2, shuffle=False, callbacks=[follow, guard], verbose=0
        )
    # Taken after 12 steps, shown to be good by two more.
    assert float(model.layers[0].kernel[0, 0]) == seen[11]


def test_giving_up_names_the_step_and_its_files():
    guard = DivergenceGuard(
        max_rollbacks=1, describe=lambda step: f"photos {2 * step} and {2 * step + 1}"
    )
    message = (
        r"after 1 rollbacks: the loss is nan at step 4 of epoch 2 \(photos 46 and 47\).*last good"
    )
    model = new_model()
    with pytest.raises(TrainingError, match=message):
        fit(model, poisoned(3), guard, epochs=3)
    assert [event["step"] for event in guard.rollbacks] == [3]
    assert np.isfinite(model.get_weights()[0]).all()


def test_a_schedule_is_scaled_where_keras_refuses_a_rate():
    schedule = SCHEDULES.CosineDecay(0.01, 100)
    model = new_model(schedule)
    with pytest.raises(TypeError, match="not settable"):
        model.optimizer.learning_rate = 0.001  # the trap
    guard = DivergenceGuard(max_rollbacks=5)
    fit(model, poisoned(5), guard, epochs=3)
    scaled = model.optimizer._learning_rate
    assert isinstance(scaled, ScaledSchedule)
    assert scaled.factor == pytest.approx(0.3**3)
    assert scaled.schedule is schedule
    assert float(scaled(50)) == pytest.approx(0.3**3 * float(schedule(50)))


def test_a_lowered_rate_is_the_one_that_trains():
    """A schedule is compiled into the training step; one must not keep the old one."""
    moved = {}
    for name, rate in {"float": 0.01, "schedule": SCHEDULES.ExponentialDecay(0.01, 1, 1.0)}.items():
        model = new_model(rate)
        model.layers[0].kernel.assign([[0.0]])
        steps = []
        follow = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs, model=model, steps=steps: steps.append(
                float(model.layers[0].kernel[0, 0])
            )
        )
        fit(model, poisoned(0), DivergenceGuard(rate_factor=0.1), follow)
        moved[name] = steps[1] - steps[0]
    # Adam's first step is as long as the rate, whatever the gradient.
    assert moved == pytest.approx({"float": 0.001, "schedule": 0.001}, rel=0.01)


def test_a_scaled_schedule_is_saved_with_the_model(tmp_path):
    model = new_model(ScaledSchedule(SCHEDULES.CosineDecay(0.01, 100), 0.5))
    model.fit(ONES, ONES, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert float(loaded.optimizer._learning_rate(0)) == pytest.approx(0.005)


def test_mixed_precision_optimizers_are_lowered_too():
    model = new_model()
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.01), initial_scale=2.0)
    model.compile(optimizer, "mse")
    fit(model, poisoned(5), DivergenceGuard(rate_factor=0.5))
    assert float(model.optimizer.learning_rate) == pytest.approx(0.005)


def test_each_of_several_optimizers_is_lowered():
    model = new_model()
    parts = keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.01))
    parts[".*kernel"] = keras.optimizers.Adam(SCHEDULES.ExponentialDecay(0.02, 1, 1.0))
    model.compile(keras.optimizers.MultiOptimizer(parts), "mse")
    guard = DivergenceGuard(rate_factor=0.5)
    fit(model, poisoned(5), guard)
    assert guard.rollbacks[0]["learning_rates"] == pytest.approx([0.01, 0.005])


def test_hard_batches_and_tiny_losses_are_no_explosion():
    guard = DivergenceGuard()
    assert not diverges(guard, [1.0] * 10 + [20.0] + [1.0] * 20)
    assert not diverges(guard, [*np.geomspace(1, 1e-6, 50), *[1e-3] * 20])
    assert not diverges(guard, [-1.0] * 10 + [5.0] * 20)
    assert diverges(guard, [1.0] * 10 + [0.2] * 10 + [2.0] * 10)


def diverges(guard, losses):
    guard._recent, guard._first, guard._best = [], None, None
    return any([guard._problem(loss) for loss in losses])


def test_an_epoch_without_a_good_step_has_no_loss():
    seen = []
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(logs["loss"])
    )
    model = new_model()
    model.fit(ONES[:2], poisoned(0)[:2], callbacks=[DivergenceGuard(), note], verbose=0)
    assert np.isnan(seen).all()
    assert len(seen) == 1


def test_a_quiet_training_is_left_alone():
    ends = []
    for callbacks in ([], [DivergenceGuard(snapshot_steps=3)]):
        model = new_model()
        batches = tf.data.Dataset.from_tensor_slices((ONES, ONES)).batch(3)
        history = model.fit(batches, epochs=2, callbacks=callbacks, verbose=0).history
        ends.append((history, model.get_weights()[0].tobytes()))
    assert ends[0] == ends[1]


@pytest.mark.parametrize(
    "arguments",
    [
        {"factor": 1.0},
        {"window": 0},
        {"rate_factor": 1.0},
        {"max_rollbacks": -1},
        {"snapshot_steps": -3},
    ],
)
def test_arguments_are_checked(arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        DivergenceGuard(**arguments)


def test_a_window_that_is_never_left_is_told_of():
    model = new_model()
    with pytest.warns(UserWarning, match="`window=1000` is never left in a training of 20 steps"):
        with pytest.raises(TrainingError, match="nan at step 8"):
            fit(model, poisoned(7), DivergenceGuard(window=1000, max_rollbacks=0))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.fit(ONES, ONES, verbose=0, callbacks=[DivergenceGuard()])  # 2 steps
