"""Learning rates over a stage, each by its formula, and what lowers them at a plateau."""

import keras
import numpy as np
import pytest

from kerasrecipes import ImageClassifier, NoEffectError, UnfreezeSchedule
from kerasrecipes.callbacks import PlateauRate
from kerasrecipes.engine.rates import CURVES, curve_options
from kerasrecipes.optimizers.curves import stage_curve
from kerasrecipes.settings.judging import judge_recipe, schedule_of
from kerasrecipes.training.fine_tune import with_epochs

SGD = {"optimizer": "sgd"}


def rates(shape, begin=0, **options):
    """Return the rates of 100 updates, 10 of them of the rise, at a peak of 2."""
    curve = stage_curve(shape, 2.0, 100, 10, begin, curve_options(shape, options))
    if shape != "cosine":
        curve = type(curve).from_config(curve.get_config())
    return np.array([float(curve(step)) for step in range(begin, begin + 100)])


@pytest.mark.parametrize("shape", CURVES)
def test_each_curve_rises_to_its_peak_and_never_above(shape):
    found = rates(shape)
    assert found[10] == found.max() == pytest.approx(2)
    assert found[0] < 0.1 and (np.diff(found[:11]) > 0).all()
    assert (np.diff(found[10:]) <= 1e-6).all()
    later = rates(shape, begin=500)  # weights that go on training
    if shape != "one_cycle":
        assert later[0] == pytest.approx(2)


def test_the_falls_are_those_that_are_told():
    share = np.arange(90) / 90
    assert rates("linear")[10:] == pytest.approx(2 * (1 - share), abs=1e-5)
    drops = rates("step", factor=0.5, drops=2)[10:]
    assert drops == pytest.approx(np.repeat([2, 1, 0.5], 30), abs=1e-5)
    stable = rates("warmup_stable_decay", decay_fraction=0.5)[10:]
    assert stable == pytest.approx(2 * np.minimum(1, 2 * (1 - share)), abs=1e-5)
    assert rates("inverse_sqrt")[40] == pytest.approx(2 * np.sqrt(10 / 40), rel=1e-5)
    assert set(rates("constant")[10:]) == {2.0} == set(rates("plateau")[10:])
    cycle = rates("one_cycle", start_fraction=0.5, end_fraction=0.25)
    assert cycle[[0, 5]] == pytest.approx([1, 1.5]) and cycle[-1] == pytest.approx(0.5, abs=0.01)
    assert rates("one_cycle", begin=7) == pytest.approx(rates("one_cycle"), rel=1e-4)


@pytest.mark.parametrize(
    ("curve", "options", "message"),
    [
        ("cosin", None, "Unknown curve 'cosin'. Did you mean 'cosine'?"),
        ("cosine", {"factor": 0.1}, "The curve 'cosine' has no option 'factor'. It has none."),
        ("step", {"facto": 0.1}, "has no option 'facto'. Did you mean 'factor'?"),
        ("step", {"drops": 1.5}, "`drops` must be a whole number between 1 and 20, not 1.5."),
    ],
)
def test_what_no_curve_can_be_is_told(curve, options, message):
    with pytest.raises(ValueError) as error:
        curve_options(curve, options)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": "sgdd"}, "Unknown optimizer 'sgdd'. Did you mean 'sgd'?"),
        ({"optimizer": "mine:make"}, "a file keeps no more of it than where it was. Set it again"),
        ({**SGD, "optimizer_options": {"nestrov": True}}, "Did you mean 'nesterov'?"),
        ({**SGD, "l2_sp": 1.0}, "`l2_sp=1.0` needs optimizer='adamw'"),
        ({**SGD, "adaptive_clip": 0.1}, "`adaptive_clip=0.1` needs optimizer='adamw'"),
        ({"curve_options": {"drops": 1}}, "The curve 'cosine' has no option 'drops'"),
        ({"optimizer": "schedule_free_adamw", "ema": False}, "answers with an average of its own"),
        ({"optimizer": "schedule_free_adamw", "curve": "linear"}, "Leave `curve` out, and `ema`"),
        (
            {"optimizer": "muon", "schedule": UnfreezeSchedule.head_only()},
            "optimizer='muon' would have no effect: it moves kernels inside of the backbone",
        ),
    ],
)
def test_settings_of_the_step_are_judged_with_the_others(settings, message):
    with pytest.raises((ValueError, NoEffectError)) as error:
        judge_recipe(ImageClassifier(**settings))
    assert message in str(error.value)


def test_the_usual_schedule_has_the_rates_of_the_optimizer():
    usual = [stage.learning_rate for stage in schedule_of(ImageClassifier()).stages]
    found = [stage.learning_rate for stage in schedule_of(ImageClassifier(**SGD)).stages]
    assert found == pytest.approx([10 * rate for rate in usual])
    named = with_epochs(3, dict(SGD))["schedule"]
    assert [stage.learning_rate for stage in named.stages] == pytest.approx(found)
    own = UnfreezeSchedule.full(3, 0.5)
    assert schedule_of(ImageClassifier(**SGD, schedule=own)) == own


def test_a_factory_is_written_down_by_where_it_is():
    config = ImageClassifier(optimizer=keras.optimizers.Nadam).get_config()
    assert config["optimizer"].endswith(":Nadam")
    assert ImageClassifier.from_config(config).optimizer == config["optimizer"]


def test_rates_fall_when_nothing_improves_and_only_then():
    x = np.ones((4, 2), "float32")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(stage_curve("plateau", 1.0, 9, 0, 0, {})), "mse")
    plateau = PlateauRate("val_loss", factor=0.5, patience=2)
    plateau.set_model(model)
    plateau.on_train_begin()
    seen = []
    for epoch, loss in enumerate([1.0, 0.5, 0.6, float("nan"), 0.4, 0.4, 0.4, 0.4, 0.4]):
        plateau.on_epoch_end(epoch, {"val_loss": loss})
        seen.append(float(model.optimizer.learning_rate))
    assert seen == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125]
    assert plateau.summary()["lowered_after_epochs"] == [4, 7, 9]
    state = plateau.get_state()
    model.optimizer.learning_rate = stage_curve("plateau", 1.0, 9, 0, 0, {})
    plateau.on_train_begin()
    plateau.set_state(state)
    assert float(model.optimizer.learning_rate) == 0.125 and plateau.lowered == [4, 7, 9]
    with pytest.raises(ValueError, match="Did you mean 'val_loss'"):
        model.fit(x, x[:, :1], validation_data=(x, x[:, :1]), verbose=0,
                  callbacks=[PlateauRate("val_los")])  # fmt: skip
    with pytest.raises(ValueError, match="`factor` must be above 0 and below 1, not 1"):
        PlateauRate(factor=1)
    with pytest.raises(ValueError, match="`patience` must be a whole number of at least 1"):
        PlateauRate(patience=0)
