"""The way from photos to a file: each step within its share, kept, and said what it came to."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

import kerasrecipes as kr
from kerasrecipes.optimization.search.limits import Limits
from kerasrecipes.tuning import automatic
from kerasrecipes.tuning.automatic import _Way
from kerasrecipes.tuning.deadline import Deadline, NothingMeasured

TAKEN = ["check", "recommend", "tune", "train", "optimize"]


@pytest.fixture
def way(monkeypatch, tmp_path):
    """Steps that do nothing but say so; returns what was taken."""
    taken, folder = [], str(tmp_path / "models" / "tiles" / "1")

    def step(name, value, told):
        def take(self, *arguments):
            taken.append(name)
            return value, told

        monkeypatch.setattr(_Way, f"_{name}", take)

    step("check", True, "48 photos, 0 leaks")
    step("recommend", "efficientnet_lite0", "efficientnet_lite0")
    step("tune", None, "left out")
    step("train", folder, "Accuracy 90%")
    step("optimize", (folder + "s", "Picked 'int8'"), "int8")
    return taken, step


@pytest.fixture
def asked(part_photos, tmp_path):
    return {
        "photos": kr.scan_photos(part_photos), "to": tmp_path / "models" / "tiles",
        "minutes": 5.0, "max_size_mb": 4.0, "run_folder": tmp_path / "run", "verbose": False,
    }  # fmt: skip


def test_each_step_is_taken_once_and_says_what_it_took(way, asked):
    taken, _ = way
    made = kr.auto(**asked)
    assert taken == TAKEN and [step.name for step in made.steps] == TAKEN
    assert made.met and made.small.name == "1s"
    told = str(made)
    assert "Spent 0.0 of 5 minutes" in told and "Accuracy 90%" in told and "Picked 'int8'" in told
    assert kr.auto(**asked).to_dict() == made.to_dict() and taken == TAKEN
    json.dumps(made.to_dict(), allow_nan=False)
    with pytest.raises(kr.DataError, match="holds a run of other photos, or with other arguments"):
        kr.auto(**{**asked, "seed": 7})
    (asked["run_folder"] / "auto.json").write_text("{")
    with pytest.raises(kr.DataError, match="'.*auto.json' is damaged"):
        kr.auto(**asked)


def test_what_breaks_off_is_gone_on_with(way, asked, monkeypatch):
    taken, _ = way

    def interrupted(self, *arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_Way, "_train", interrupted)
        with pytest.raises(KeyboardInterrupt) as broken_off:
            kr.auto(**asked)
    assert f"What is done so far is in '{asked['run_folder']}'" in broken_off.value.__notes__[0]
    assert taken == TAKEN[:3]
    assert kr.auto(**asked).met and taken == TAKEN


def test_limits_that_cannot_be_kept_are_told_with_the_nearest(way, asked):
    _, step = way
    step("optimize", (None, "Not reachable: the closest is 'int8', which takes 5 MB"), "none")
    made = kr.auto(**asked)
    assert not made.met and made.small is None and "the closest is 'int8'" in str(made)
    assert made.to_dict()["small"] is None


def test_a_step_ends_with_its_share_of_the_minutes(way, asked, monkeypatch):
    taken, _ = way
    monkeypatch.setattr(_Way, "_recommend", lambda self, until: time.sleep(30))
    monkeypatch.setattr(_Way, "_optimize", lambda self, folder, until: time.sleep(30))
    made = kr.auto(**{**asked, "minutes": 1 / 60})
    assert [step.told for step in made.steps if step.name == "recommend"] == [
        "not finished within its share of the minutes"
    ]
    assert not made.met and "minutes were over" in made.message and taken[-1] == "train"
    assert sum(step.seconds for step in made.steps) < 5
    # More minutes go on with what was not reached.
    monkeypatch.setattr(_Way, "_optimize", lambda *_: ((str(Path("m") / "1"), "Picked"), "int8"))
    assert kr.auto(**asked).met
    monkeypatch.setattr(_Way, "_train", lambda *_: time.sleep(30))
    with pytest.raises(kr.DataError, match="minutes were over before there was a model"):
        kr.auto(**{**asked, "minutes": 1 / 60, "run_folder": None})


def test_the_nearest_backbone_is_taken_where_none_keeps_the_limits(asked, monkeypatch):
    from kerasrecipes.choosing.candidates import BackboneLimits

    file = type(
        "File",
        (),
        {
            "backbone": "a",
            "quantization": "int8",
            "latency_ms": 9.0,
            "weakest_class": "",
            "same_model": True,
        },
    )
    near, far = file(), file()
    near.size_bytes, far.size_bytes, far.backbone = 5e6, 9e6, "b"
    limits = BackboneLimits(max_size_mb=4)
    found = type("Found", (), {"best": None, "candidates": (far, near), "limits": limits})()
    monkeypatch.setattr(automatic, "recommend_backbone", lambda *_, **__: found)
    steps = automatic._Steps(None, 1.0, {})
    to = asked["to"]
    one = _Way(asked["photos"], to, to, Limits(), None, "loss", "auto", 0, steps)
    name, told = one._recommend(None)
    assert name == "a" and "the nearest: its int8 file takes 5 MB, where 4 are allowed" in told
    assert replace(one, backbones=["x"])._recommend(None) == ("x", "x, as asked for")


def test_a_search_that_measured_nothing_leaves_the_recipe_as_it_is(asked, monkeypatch):
    def late(*_, **__):
        raise NothingMeasured("over")

    monkeypatch.setattr(automatic, "tune", late)
    limits, steps = Limits(), automatic._Steps(None, 1.0, {})
    one = _Way(asked["photos"], asked["to"], asked["to"], limits, None, "loss", "auto", 0, steps)
    assert one._tune("efficientnet_lite0", Deadline(1)) == (
        None, "not one head was measured within its share of the minutes"
    )  # fmt: skip


def test_a_record_that_is_a_link_to_nowhere_is_told_of(tmp_path):
    (tmp_path / "auto.json").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OSError, match="auto.json"):
        automatic._Steps(tmp_path, 1.0, {})


def test_what_is_not_usable_is_refused_first(asked):
    for wrong, message in (
        ({"minutes": 0}, "`minutes` must be above 0"),
        ({"max_size_mb": -1}, "`max_size_mb`"),
        ({"max_drop": 2}, "`max_drop` must be a fraction"),
    ):
        with pytest.raises(ValueError, match=message):
            kr.auto(**{**asked, **wrong})
