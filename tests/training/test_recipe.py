import json

import pytest

from kerasrecipes import Augmentation, ImageClassifier, Stage, UnfreezeSchedule


def test_constructor_only_stores():
    recipe = ImageClassifier("no_such_backbone", image_size="nonsense", views=-1)
    assert recipe.backbone == "no_such_backbone"
    assert vars(recipe)["image_size"] == "nonsense"


def test_config_round_trip():
    recipe = ImageClassifier(
        "mobilenet_v2", schedule=UnfreezeSchedule.full(3), image_size=(96, 128), seed=4
    )
    again = ImageClassifier.from_config(recipe.get_config())
    assert again.get_config() == recipe.get_config()
    assert again.schedule == recipe.schedule


def test_an_augmentation_of_ones_own_survives_the_round_trip():
    recipe = ImageClassifier(augment=Augmentation(flip_vertical=True))
    assert json.loads(json.dumps(recipe.get_config()))["augment"]["flip_vertical"]
    assert ImageClassifier.from_config(recipe.get_config()).augment == recipe.augment


def test_repr_shows_what_differs():
    assert repr(ImageClassifier(seed=7, augment="none")) == (
        "ImageClassifier(augment='none', seed=7)"
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "Stage 's': `epochs` must be at least 1, not 0"),
        ({"learning_rate": 0}, "`learning_rate` must be between 0 and 10, or 'auto', not 0"),
        ({"open_fraction": 1.5}, "`open_fraction` must be between 0 and 1, not 1.5"),
        ({"warmup_fraction": -1}, "`warmup_fraction` must be between 0 and 1, not -1"),
    ],
)
def test_stage_refuses(settings, message):
    with pytest.raises(ValueError, match=message):
        Stage(**{"name": "s", "epochs": 1, "learning_rate": 1e-3, **settings})


def test_schedule_refuses_stages_without_names_of_their_own():
    stage = Stage("a", 1, 1e-3)
    for stages in ((), (stage, stage)):
        with pytest.raises(ValueError, match="A schedule needs stages with names of their own"):
            UnfreezeSchedule(stages)


def test_schedules_are_data():
    for schedule in (
        UnfreezeSchedule.head_only(),
        UnfreezeSchedule.two_phase(),
        UnfreezeSchedule.full(),
    ):
        assert UnfreezeSchedule.from_dict(schedule.to_dict()) == schedule
