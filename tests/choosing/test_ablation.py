"""Changing one thing at a time, with the frozen blocks computed once."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from kerasrecipes import UnfreezeSchedule, ablate_recipe, scan_photos
from kerasrecipes.choosing import ablation
from kerasrecipes.choosing.ablation import Ablation, AblationRow, Measured, _row, _variants
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.engine.frozen.prefix_cache import PrefixCache
from kerasrecipes.heads import get_task
from kerasrecipes.settings.judging import judge_recipe


@pytest.fixture
def fills(monkeypatch):
    """Counts how often frozen blocks are computed."""
    counted = []
    fill = PrefixCache.fill

    def counting(self, *arguments):
        counted.append(self)
        return fill(self, *arguments)

    monkeypatch.setattr(PrefixCache, "fill", counting)
    return counted


@pytest.mark.proof
def test_fits_on_a_split_share_what_is_frozen(part_photos, small_recipe, fills):
    recipe = small_recipe(schedule=UnfreezeSchedule.head_only(epochs=2))
    changes = {"no dropout": {"dropout": 0.0}, "no views": {"augment": "none"}}
    found = ablate_recipe(recipe, part_photos, changes=changes, verbose=False)
    assert [row.name for row in found.rows] == ["as it is", "no dropout", "no views"]
    assert found.splits == 3
    # Per split: training and validation photos, and once more the unaugmented training photos.
    assert len(fills) == 3 * 3
    assert found.rows[0].difference == 0
    assert found.rows[1].figures["log_loss"] != found.rows[0].figures["log_loss"]
    assert "95 % intervals" in str(found)
    assert found.to_dict()["rows"][2]["verdict"] in {"is better", "is worse", "cannot tell"}


def test_shared_blocks_change_no_result(part_photos, small_recipe):
    """The second fit, from the memory, is the fit that it would have been alone."""
    from kerasrecipes.training.fitting import fit_classifier

    photos = scan_photos(part_photos)
    train, val = photos.select(range(0, 48, 2)), photos.select(range(1, 48, 2))
    memory: dict = {}
    small = judge_recipe(small_recipe(dropout=0.0))
    fit_classifier(judge_recipe(small_recipe()), train, val, (), memory=memory)
    shared = fit_classifier(small, train, val, (), memory=memory).model
    alone = fit_classifier(small, train, val, ()).model
    assert len(memory) == 2
    for one, other in zip(shared.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def fit(losses):
    return Measured({"accuracy": 0.8, "balanced_accuracy": 0.8}, "log_loss", losses)


def fits(*losses):
    return [fit(np.full(6, loss)) for loss in losses]


def test_groups_of_photos_widen_an_interval_that_splits_alone_would_claim():
    """Three splits judged by the same 20 parts, which the change suits or does not suit."""
    rng, covered, rounds, units = np.random.default_rng(0), [0, 0], 200, np.arange(120) // 6
    for _ in range(rounds):
        base = [fit(np.full(120, 0.5))] * 3
        of_parts = rng.normal(0, 0.2, 20)[units]
        found = [fit(0.5 + of_parts + rng.normal(0, 0.05, 120)) for _ in range(3)]
        for k, known in enumerate((None, np.tile(units, 3))):
            low, high = _row("a", found, base, known).interval
            covered[k] += low <= 0 <= high
    assert covered[1] / rounds > 0.9 > 0.5 > covered[0] / rounds
    one = _row("a", found, base, np.zeros(360, int))
    assert one.interval == (-math.inf, math.inf) and one.verdict == "cannot tell"
    told = Ablation((one,), 3, 120, 1)
    assert "3 splits of 120 photos of 1 group" in str(told)
    assert "over splits and groups, the wider of both" in str(told)
    assert json.loads(json.dumps(told.to_dict(), allow_nan=False))["groups"] == 1


def test_a_change_that_always_helps_is_told_from_one_that_does_not():
    base = fits(0.50, 0.60, 0.55)
    better, mixed = fits(0.40, 0.49, 0.46), fits(0.60, 0.48, 0.56)
    assert _row("a", better, base).verdict == "is better"
    assert _row("a", base, better).verdict == "is worse"
    assert _row("a", mixed, base).verdict == "cannot tell"
    low, high = _row("a", better, base).interval
    # By hand: mean -0.1, sd 0.01, t(0.975; 2) = 4.303.
    assert (low, high) == pytest.approx((-0.1 - 0.02484, -0.1 + 0.02484), abs=1e-4)


def test_the_usual_changes_are_those_that_the_recipe_can_have(part_photos, tiny_spec, quick_recipe):
    schedule = UnfreezeSchedule.head_only(epochs=1)
    recipe = quick_recipe(backbone=tiny_spec(), schedule=schedule)
    found = _variants(recipe, None)
    assert {"without dropout", "with a normalized head", "with mixup"} <= set(found)
    assert not {"with L2-SP", "with stochastic depth", "with adaptive clipping"} & set(found)
    two_phase = replace(recipe, schedule=UnfreezeSchedule.two_phase())
    assert {"with L2-SP", "with stochastic depth"} <= set(_variants(two_phase, None))
    with pytest.raises(ValueError, match="`l2_sp=1` would have no effect"):
        _variants(recipe, {"pull": {"l2_sp": 1}})


def test_augmentation_is_left_out_with_its_views(quick_recipe):
    recipe = quick_recipe(views=8)
    for changes in (None, {"without augmentation": {"augment": "none"}}):
        assert _variants(recipe, changes)["without augmentation"].recipe.views == 1


def test_what_the_backbone_cannot_have_is_told_and_left_out(
    part_photos, tiny_spec, quick_recipe, monkeypatch, capsys
):
    changes = {"no norms": {"batch_norm": "reestimate"}}
    monkeypatch.setattr(ablation, "usual_changes", lambda table: changes)
    recipe = quick_recipe(backbone=tiny_spec(), schedule=UnfreezeSchedule.head_only(epochs=1))
    found = ablate_recipe(recipe, part_photos)
    assert [row.name for row in found.rows] == ["as it is"]
    assert "Left out: " in capsys.readouterr().err
    with pytest.raises(ValueError, match="BatchNormalization"):
        ablate_recipe(recipe, part_photos, changes=changes, verbose=False)


def test_one_split_has_no_interval():
    row = _row("a", fits(0.4), fits(0.5))
    assert isinstance(row, AblationRow)
    assert math.isnan(row.interval[0])
    assert row.verdict == "cannot tell"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": {"drop": 0}}, "names what a recipe does not have: drop"),
        ({"x": {"dropout": 0.2}}, "The change 'x' changes nothing"),
        ({}, "`changes` is empty"),
    ],
)
def test_changes_without_effect_are_errors(quick_recipe, changes, message):
    with pytest.raises(ValueError, match=message):
        ablate_recipe(quick_recipe(), "nowhere", changes=changes)


def test_numbers_are_compared_by_their_error(part_photos, tiny_spec, quick_recipe):
    photos = scan_photos(part_photos)
    items = tuple(replace(one, label=float(len(one.label))) for one in photos.photos)
    photos = replace(photos, photos=items, class_names=(), target="number")
    recipe = quick_recipe(
        backbone=tiny_spec(), head="regression", schedule=UnfreezeSchedule.head_only(epochs=1)
    )
    found = ablate_recipe(recipe, photos, changes={"plain": {"dropout": 0.5}}, verbose=False)
    assert list(found.rows[0].figures) == ["mean_absolute_error"]
    assert "Lower mean absolute error is better." in str(found)
    assert found.rows[0].figures["mean_absolute_error"] > 0 == found.rows[0].difference
    assert "mean_absolute_error" in found.to_dict()["rows"][1]


def test_costs_of_each_task_are_lower_for_better_answers():
    names = ("a", "b", "c")
    targets, sure = np.array([0, 2]), np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]])
    for task, good, bad, wanted in (
        ("classification", sure, sure[::-1], targets),
        ("ordinal", sure, sure[::-1], targets),
        ("multi_label", sure, 1 - sure, (sure > 0.5).astype(float)),
        ("regression", sure[:, :1], 1 - sure[:, :1], sure[:, 0]),
    ):
        output = OutputSpec(name="x", task=task, class_names=() if task == "regression" else names)
        costs = [get_task(task).cost(wanted, one, output) for one in (good, bad)]
        assert (costs[0] < costs[1]).all(), task
    each = get_task("multi_label").cost(np.array([[1.0, 0.0]]), np.array([[0.5, 0.8]]), output)
    np.testing.assert_allclose(each, [-(np.log(0.5) + np.log(0.2)) / 2])
