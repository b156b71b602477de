"""The cache of the frozen part keeps to its limit, and says what it really does."""

import gc
import weakref

import keras
import pytest

from kerasrecipes import BackboneSpec, Stage, UnfreezeSchedule
from kerasrecipes.engine.frozen import prefix_cache
from kerasrecipes.engine.frozen.frozen_part import FrozenPart
from kerasrecipes.settings.judging import judge_recipe
from kerasrecipes.training.fitting import fit_classifier

# 24 training photos in 2 views and 12 validation photos, in half precision: at a cut between
# blocks, and of the pooled features.
CUT = (24 * 2 + 12) * 24 * 24 * 4 * 2
POOLED = (24 * 2 + 12) * 8 * 2


@pytest.fixture(scope="module")
def four_blocks():
    """A backbone whose cuts between blocks are all of one size."""
    keras.utils.set_random_seed(0)
    x = photo = keras.Input((24, 24, 3))
    for i in range(4):
        x = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name=f"conv_{i}")(x)
    return BackboneSpec.from_model(keras.Model(photo, x, name="four"), scaling="0..1")


@pytest.fixture
def alive(monkeypatch):
    """After each filling, and in the end, the bytes of all arrays that are still kept."""
    arrays, found = [], []

    def now() -> int:
        return sum(one().nbytes for one in arrays if one() is not None)

    make, fill = prefix_cache._unnamed_array, FrozenPart._fill

    def made(*arguments):
        array = make(*arguments)
        arrays.append(weakref.ref(array))
        return array

    def filled(self, blocks):
        done = fill(self, blocks)
        found.append((blocks, now()))
        return done

    monkeypatch.setattr(prefix_cache, "_unnamed_array", made)
    monkeypatch.setattr(FrozenPart, "_fill", filled)
    yield found
    gc.collect()
    assert now() == 0


SCHEDULE = UnfreezeSchedule(
    (
        Stage("head", 1, 1e-3),
        Stage("one", 1, 1e-3, 0.25),
        Stage("two", 1, 1e-3, 0.5),
        Stage("three", 1, 1e-3, 0.75),
    )
)


@pytest.fixture
def fit(part_sets, quick_recipe, four_blocks):
    """Fits within a limit of so many cuts."""

    def run(cuts):
        settings = {"image_size": (24, 24), "schedule": SCHEDULE, "cache_gb": cuts * CUT / 1e9}
        quick_recipe(backbone=four_blocks, **settings).fit(*part_sets[:2])

    return run


@pytest.mark.proof
@pytest.mark.parametrize(
    ("cuts", "filled"),
    [
        (1.5, [([4, 3], POOLED + CUT), ([2], CUT), ([1], CUT)]),
        (2.5, [([4, 3, 2], POOLED + 2 * CUT), ([1], CUT)]),
        (3.5, [([4, 3, 2, 1], POOLED + 3 * CUT)]),
    ],
)
def test_what_is_kept_never_exceeds_the_limit(fit, alive, capsys, cuts, filled):
    fit(cuts)
    assert alive == filled
    assert "in every epoch" not in capsys.readouterr().err


@pytest.mark.proof
def test_fits_that_share_what_is_frozen_keep_to_the_limit_together(
    part_sets, quick_recipe, four_blocks, alive
):
    settings = {"image_size": (24, 24), "schedule": SCHEDULE, "cache_gb": 1.5 * CUT / 1e9}
    memory: dict = {}
    for dropout in (0.2, 0.0):
        recipe = quick_recipe(backbone=four_blocks, dropout=dropout, **settings)
        fit_classifier(judge_recipe(recipe), *part_sets[:2], (), memory=memory)
    assert [blocks for blocks, _ in alive] == [[4, 3], [2], [1]] * 2
    assert max(kept for _, kept in alive) <= 1.5 * CUT
    assert memory


def test_what_is_computed_in_every_epoch_is_told_when_its_stage_begins(fit, alive, capsys):
    fit(0.5)
    assert alive == [([4], POOLED), ([], 0), ([], 0), ([], 0)]
    head, *stages = capsys.readouterr().err.split("Stage '")[1:]
    assert "in every epoch" not in head
    for said, blocks in zip(stages, ("3 blocks", "2 blocks", "block"), strict=True):
        assert f"The output of the first {blocks} would take 0.3 MB of disk, and 0.1 MB" in said
