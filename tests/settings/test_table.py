"""The table of settings: it has a row for each field, and each row's range is enforced."""

import math
from dataclasses import fields
from pathlib import Path

import pytest

from kerasrecipes import Augmentation, ImageClassifier, LowRank, UnfreezeSchedule
from kerasrecipes.settings.engine_rows import ENGINE_ROWS
from kerasrecipes.settings.judging import judge_recipe, judge_settings
from kerasrecipes.settings.photo_rows import IMAGE_CLASSIFIER
from kerasrecipes.settings.setting import GROUPS, Asked, Situation, usual_changes

THING = object()
HOSTILE = (None, True, "", [], math.nan, -1, 10**30, THING)
# All other hostile values are refused; what is large is judged when it is used.
USABLE = {
    "image_size": (None,),
    "weights": (None,),
    "head_norm": (None,),
    "hidden": (None,),
    "cosine": (True,),
    "mix": (None,),
    "schedule": (None,),
    "patience": (None,),
    "adapter": (None,),
    "depths": (None,),
    "unit": ("",),
    "loss": (None,),
    "loss_options": (None,),
    "label_smoothing": (None,),
    "optimizer_options": (None,),
    "curve": (None,),
    "metrics": (None,),
    "sampling": (None,),
    "curve_options": (None,),
    "class_weights": (None,),
    "ema": (True,),
    "clip_norm": (None, 10**30),
    "adaptive_clip": (None,),
    "accumulate": (),
    "cache_gb": (10**30,),
    "rematerialise": (True,),
    "devices": (None, 10**30),
    "synthetic_defects": (None,),
    "deterministic": (True,),
}


def is_one_of(value: object, some: tuple) -> bool:
    return any(value is one or (type(value) is type(one) and value == one) for one in some)


def test_every_field_has_a_row_and_every_row_a_field():
    rows = [row.name for row in IMAGE_CLASSIFIER]
    assert sorted(rows) == sorted(one.name for one in fields(ImageClassifier))
    assert len(rows) == len(set(rows)) == 47
    assert ImageClassifier.table is IMAGE_CLASSIFIER
    assert {row.group for row in IMAGE_CLASSIFIER} == set(GROUPS)
    assert not {"image_size", "augment", "views"} & {row.name for row in ENGINE_ROWS}


@pytest.mark.parametrize("row", IMAGE_CLASSIFIER, ids=lambda row: row.name)
def test_each_range_is_enforced(row):
    for value in HOSTILE:
        recipe = ImageClassifier(**{row.name: value})
        if is_one_of(value, USABLE.get(row.name, ())):
            judge_recipe(recipe)
            continue
        with pytest.raises(ValueError) as error:
            judge_recipe(recipe)
        told = str(error.value).replace("head norm", "head_norm")  # as people write it
        assert row.name in told, f"{row.name}={value!r}: {told}"


@pytest.mark.parametrize("row", IMAGE_CLASSIFIER, ids=lambda row: row.name)
def test_defaults_are_in_range_and_survive_as_plain_values(row):
    default = getattr(ImageClassifier, row.name)
    row.kind.check(row.name, default)
    assert not row.asks(ImageClassifier())
    assert row.kind.from_plain(row.kind.to_plain(default)) == default
    assert row.kind.words and row.kind.words == row.kind.words.strip()
    for value in row.off:
        row.kind.check(row.name, value)


def test_rules_and_reasons_say_something():
    asked = Asked(IMAGE_CLASSIFIER[0], ImageClassifier(), UnfreezeSchedule.two_phase())
    rules = [(row, rule) for row in IMAGE_CLASSIFIER for rule in row.rules]
    for row, rule in rules:
        assert rule.briefly.endswith(".")
        told = rule.told.format(name=row.name, value=1)
        assert "{" not in told and told.endswith(".")
        rule.check(Asked(row, asked.recipe, asked.schedule))  # nobody asks for anything
    reasons = [reason for row in IMAGE_CLASSIFIER for reason in row.idle.values()]
    assert len(rules) > 15 and len(reasons) > 20
    assert not [reason for reason in reasons if reason.why.endswith(".")]
    assert {where for row in IMAGE_CLASSIFIER for where in row.idle} == set(Situation)


def test_each_change_of_an_ablation_is_usable():
    changes = usual_changes(IMAGE_CLASSIFIER)
    assert len(changes) == 14
    assert next(iter(changes)).startswith("without") and list(changes)[-1].startswith("with ")
    for change in changes.values():
        ((name, value),) = change.items()
        assert value != getattr(ImageClassifier, name)
        if name != "augment":  # with one view, which an ablation adds
            judge_settings(ImageClassifier(**change))


@pytest.mark.parametrize(
    ("name", "plain", "value"),
    [
        ("schedule", {"head_epochs": 4}, UnfreezeSchedule.two_phase(head_epochs=4)),
        ("schedule", {"kind": "full", "epochs": 2}, UnfreezeSchedule.full(2)),
        ("schedule", "head_only", UnfreezeSchedule.head_only()),
        ("schedule", UnfreezeSchedule.gradual().to_dict(), UnfreezeSchedule.gradual()),
        ("schedule", "none", None),
        ("adapter", {"kind": "LowRank", "rank": 2}, LowRank(2)),
        ("adapter", "LowRank", LowRank()),
        ("augment", {"flip_vertical": True}, Augmentation(flip_vertical=True)),
        ("augment", "none", "none"),
        ("image_size", [96, 128], (96, 128)),
        ("class_weights", "none", None),
        ("weights", "none", None),
        ("patience", "none", None),
        ("devices", ["GPU:0", "GPU:1"], ["GPU:0", "GPU:1"]),
    ],
)
def test_values_are_read_from_plain_data(name, plain, value):
    (row,) = [row for row in IMAGE_CLASSIFIER if row.name == name]
    assert row.kind.from_plain(plain) == value
    assert row.kind.from_plain(row.kind.to_plain(value)) == value


def test_paths_and_backbones_are_written_by_their_names(tiny_spec):
    rows = {row.name: row.kind for row in IMAGE_CLASSIFIER}
    assert rows["weights"].to_plain(Path("a/b.npz")) == "a/b.npz"
    assert rows["backbone"].to_plain(tiny_spec()) == "tiny"


@pytest.mark.parametrize(
    ("name", "plain", "message"),
    [
        ("schedule", {"head_epoch": 1}, "setting of a two_phase schedule 'head_epoch'. Did you "),
        ("schedule", {"kind": "ful"}, "Unknown kind of schedule 'ful'. Did you mean 'full'?"),
        ("schedule", "two_phases", "Unknown kind of schedule 'two_phases'. Did you mean 'two_ph"),
        ("schedule", {"kind": ["full"]}, "Unknown kind of schedule"),
        ("schedule", {"epochs": "many"}, "`epochs` must be a whole number"),
        ("schedule", {"kind": "gradual", "steps": 10**30}, "`steps` must be at most 1000"),
        ("schedule", [3], "A stage must be a table"),
        ("schedule", [{"name": "x"}], "A stage needs 'epochs', 'learning_rate'"),
        ("schedule", [], "A schedule needs stages"),
        ("adapter", {"rank": 0}, "`rank` must be a whole number above 0"),
        ("adapter", {"alpha": "x"}, "`alpha` must be above 0"),
        ("adapter", {"kind": "Bottleneck", "blocks": 5}, "`blocks` must be whole numbers"),
        ("adapter", {"kind": "Bottleneck", "blocks": ["a"]}, "`blocks` must be whole numbers"),
        ("augment", {"flip_vertica": True}, "setting of augment 'flip_vertica'. Did you mean"),
        ("augment", {"rotation_degrees": "x"}, "`rotation_degrees` must be from 0 to 180"),
    ],
)
def test_wrong_tables_are_named(name, plain, message):
    (row,) = [row for row in IMAGE_CLASSIFIER if row.name == name]
    with pytest.raises(ValueError) as error:
        row.kind.from_plain(plain)
    assert message in str(error.value)
