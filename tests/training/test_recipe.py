import inspect
import json
from dataclasses import dataclass

import pytest

from kerasrecipes import Augmentation, ImageClassifier, Stage, UnfreezeSchedule
from kerasrecipes.settings.written.meanings import meanings, with_arguments_of
from kerasrecipes.training.recipe import Recipe


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


def test_the_docstring_of_a_recipe_tells_of_all_its_settings():
    """Its own, then those that its base tells of, as `help` and an editor show them."""
    told = list(meanings(ImageClassifier))
    assert sorted(told) == sorted(list(inspect.signature(ImageClassifier).parameters))
    own = ["backbone", "image_size", "augment", "views", "synthetic_defects"]
    assert told == [*own, *meanings(Recipe)]
    assert ImageClassifier.__doc__.count("Args:") == ImageClassifier.__doc__.count("Example:") == 1
    assert ImageClassifier.__doc__.endswith("ImageClassifier(seed=7)")
    assert with_arguments_of(None, "B.") is None  # python -OO
    assert with_arguments_of("A.", Recipe.__doc__) == "A."


def test_recipes_of_ones_own_have_settings_of_their_own():
    @dataclass(kw_only=True, repr=False, eq=False)
    class Small(ImageClassifier):
        batch_size: int = 4

    assert repr(Small(batch_size=4)) == "Small()"
    assert repr(Small(batch_size=32)) == "Small(batch_size=32)"
    assert Small.from_config(Small(seed=3).get_config()).get_config() == Small(seed=3).get_config()
