"""Schedules as data."""

import math

import pytest

from kerasrecipes import Stage, UnfreezeSchedule


def test_gradual_opens_some_more_blocks_in_each_stage():
    stages = UnfreezeSchedule.gradual(steps=4, open_fraction=0.8, patience=2).stages
    assert [stage.open_fraction for stage in stages] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
    assert [stage.patience for stage in stages] == [None, 2, 2, 2, 2]
    assert all(stage.layer_decay == 0.8 for stage in stages[1:])


def test_schedules_survive_json():
    schedule = UnfreezeSchedule.gradual(patience=3)
    assert UnfreezeSchedule.from_dict(schedule.to_dict()) == schedule


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("layer_decay", 0),
        ("layer_decay", 1.5),
        ("patience", 0),
        ("patience", 1.5),
        ("epochs", 0),
        ("epochs", 1.5),
        ("epochs", True),
        ("epochs", math.nan),
        ("epochs", "3"),
        ("learning_rate", True),
        ("learning_rate", None),
        ("learning_rate", math.nan),
        ("learning_rate", 10),
        ("open_fraction", True),
        ("open_fraction", "0.5"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(field, value):
    settings = {"name": "s", "epochs": 1, "learning_rate": 1e-3} | {field: value}
    with pytest.raises(ValueError, match=f"Stage 's': `{field}` must be .*, not {value!r}"):
        Stage(**settings)


def test_a_stage_has_a_name():
    with pytest.raises(ValueError, match="`name` must be a text, e.g. 'head', not None"):
        Stage(None, 1, 1e-3)


def test_rates_that_fall_by_block_need_a_block():
    with pytest.raises(ValueError, match="'s': `layer_decay=0.5` would have no effect: the head"):
        Stage("s", 1, 1e-3, layer_decay=0.5)


@pytest.mark.parametrize(("fraction", "blocks", "first"), [(0.1 * 3, 10, 7), (0.3, 10, 7)])
def test_a_fraction_opens_as_many_blocks_however_it_was_computed(fraction, blocks, first):
    assert Stage("s", 1, 1e-3, fraction).first_open(blocks) == first


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "`steps` must be at least 1, not 0"),
        ({"steps": 1.5}, "`steps` must be a whole number of at least 1, not 1.5"),
        ({"open_fraction": 0}, "`open_fraction` must be above 0 and at most 1, not 0"),
    ],
)
def test_gradual_opens_something_in_steps(settings, message):
    with pytest.raises(ValueError, match=message):
        UnfreezeSchedule.gradual(**settings)


@pytest.mark.parametrize("stages", [Stage("a", 1, 1e-3), ("head",), "head", 5])
def test_a_schedule_is_made_of_stages(stages):
    with pytest.raises(ValueError, match="`stages` must be a tuple of `Stage`s, not "):
        UnfreezeSchedule(stages)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"name": "a", "epochs": 1, "learning_rat": 1e-3}, "Did you mean 'learning_rate'"),
        ({"name": "a"}, "A stage needs 'epochs', 'learning_rate', which .* lacks"),
    ],
)
def test_written_stages_are_read_strictly(facts, message):
    with pytest.raises(ValueError, match=message):
        UnfreezeSchedule.from_dict([facts])
