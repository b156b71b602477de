"""What docs/extend.md shows works."""

import re
from pathlib import Path

import pytest

from kerasrecipes import backbones, export, heads, losses
from kerasrecipes.photos import augment
from kerasrecipes.settings.judging import judge_recipe

PAGE = Path(__file__).parents[2] / "docs" / "extend.md"
# What adopts a model measures it, on photos that this page does not have.
BLOCKS = [
    text
    for text in re.findall(
        r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    if "adopt_model" not in text
]


@pytest.fixture(autouse=True)
def forgotten():
    """Lets go of what the page registers."""
    yield
    for package in (backbones, export, heads, losses):
        package._REGISTRY.added.clear()
    augment.AUGMENTATIONS.pop("ours", None)


def test_each_example_is_accepted_by_a_recipe():
    import keras

    model = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(4, 3, name="only")])
    accepted = 0
    for text in BLOCKS:
        names = {"model": model, "__name__": "example"}
        exec(text, names)
        if "recipe" in names:
            judge_recipe(names["recipe"])
            accepted += 1
    assert (accepted, len(BLOCKS)) == (3, 4)
    assert augment.get_augmentation("ours").rotation_degrees == 5.0
