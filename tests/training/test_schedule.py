"""Schedules as data."""

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
    [("layer_decay", 0), ("layer_decay", 1.5), ("patience", 0), ("epochs", 0)],
)
def test_numbers_that_make_no_sense_are_refused(field, value):
    settings = {"name": "s", "epochs": 1, "learning_rate": 1e-3} | {field: value}
    with pytest.raises(ValueError, match=f"Stage 's': `{field}` must be"):
        Stage(**settings)


def test_gradual_needs_a_step():
    with pytest.raises(ValueError, match="`steps` must be at least 1, not 0"):
        UnfreezeSchedule.gradual(steps=0)
