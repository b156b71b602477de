"""A new setting of a recipe is a field and a row; all that is made of the table follows."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from kerasrecipes import ImageClassifier, UnfreezeSchedule, fine_tune_images
from kerasrecipes.choosing.ablation import _variants
from kerasrecipes.settings.judging import judge_recipe
from kerasrecipes.settings.kinds import Number
from kerasrecipes.settings.setting import (
    STEP,
    Idle,
    Setting,
    Situation,
    needs_open_blocks,
    not_on_devices,
    settings_without_effect,
)
from kerasrecipes.settings.written.recipe_file import RecipeFile, recipe_text
from kerasrecipes.settings.written.reference import settings_sections
from kerasrecipes.settings.written.template import recipe_template

ROW = Setting(
    "warmth",
    STEP,
    Number(low=0, high=1),
    idle={Situation.ON: Idle("it is cold")},
    rules=(needs_open_blocks(), not_on_devices("it is cold")),
    ablations={"with warmth": 0.5},
)


@dataclass(repr=False, eq=False)
class Warm(ImageClassifier):
    """A classifier.

    Args:
        warmth: How warm it is. Blocks only.
    """

    table: ClassVar[tuple[Setting, ...]] = (*ImageClassifier.table, ROW)
    warmth: float = 0.0


def test_it_is_judged():
    assert judge_recipe(Warm(warmth=0.5)).recipe.warmth == 0.5
    closed = {"schedule": UnfreezeSchedule.head_only()}
    for settings, message in (
        ({"warmth": 2}, "`warmth` must be between 0 and 1, not 2"),
        ({"warmth": 0.5, **closed}, "`warmth=0.5` would have no effect: it acts on open blocks"),
        ({"warmth": 0.5, "devices": "auto"}, "`warmth` does not work together with `devices`"),
    ):
        with pytest.raises(ValueError, match=message):
            judge_recipe(Warm(**settings))
    judge_recipe(Warm(**closed, devices="auto"))


def test_it_is_told_where_it_has_no_effect():
    assert settings_without_effect(Warm(warmth=0.5), False) == {"warmth=0.5": "it is cold"}


def test_it_is_ablated():
    assert _variants(Warm(), None)["with warmth"].recipe.warmth == 0.5


def test_it_is_written_and_read(tmp_path):
    recipe = Warm(warmth=0.25)
    assert repr(recipe) == "Warm(warmth=0.25)"
    assert Warm.from_config(recipe.get_config()).warmth == 0.25
    (tmp_path / "r.toml").write_text(recipe_text(recipe, {}), encoding="utf-8")
    found = RecipeFile(Warm.table)
    found.read(tmp_path / "r.toml")
    assert found.settings()["warmth"] == 0.25
    found.assign("warmth=0.75")
    assert found.settings()["warmth"] == 0.75
    with pytest.raises(ValueError, match="Did you mean 'warmth'"):
        found.assign("warmt=1")


def test_it_is_explained():
    template = recipe_template(Warm, fine_tune_images, "")
    assert "# How warm it is. Blocks only.\n# A number, 0 to 1.\n#warmth = 0.0\n" in template
    page = settings_sections(Warm, fine_tune_images)
    section = page.partition("#### `warmth`\n")[2]
    assert "How warm it is." in section and "open" in section and "it is cold" in section
    assert "warmth: How warm" in Warm.__doc__ and "seed: Seed of" in Warm.__doc__
