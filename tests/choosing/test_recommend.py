"""Which backbone is recommended, why, and what happens to those that cannot be measured."""

import errno
import json
import re
from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest

from kerasrecipes import DataError, get_backbone, scan_photos, split_photos
from kerasrecipes.choosing.bench import Bench
from kerasrecipes.choosing.candidates import BackboneFile, BackboneLimits, choose
from kerasrecipes.choosing.recommend import _attempt, _licensed, recommend_backbone
from kerasrecipes.choosing.recommendation import Recommendation
from kerasrecipes.choosing.trial_export import TrialExport
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.release.calibration import calibration_inputs
from kerasrecipes.statistics.clustered import clustered_share
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.training.linear.depths import depth_features, linear_head, linear_model
from kerasrecipes.training.linear.probe import choice_for
from kerasrecipes.verify import Latency

UNITS = np.arange(200)
OUTPUT = OutputSpec(name="scores", task="classification", class_names=("dot", "plain", "stripe"))


def candidate(name="a", wrong=20, ms=5.0, mb=4.0, agreement=1.0, first_wrong=0, **changes):
    """Make a candidate that is wrong on `wrong` of 200 photos, of two classes in turn."""
    right = np.ones(200, bool)
    right[first_wrong : first_wrong + wrong] = False
    recalls = {
        label: clustered_share(right[k::2], UNITS[k::2]) for k, label in enumerate(["ok", "crack"])
    }
    facts = {
        "backbone": name, "quantization": "int8", "accuracy": clustered_share(right, UNITS),
        "recalls": recalls, "latency": {n: Latency(ms / n, ms, 50) for n in (1, 2)},
        "size_bytes": int(mb * 1e6), "agreement": agreement, "same_model": agreement >= 0.95,
        "qualities": right.astype(float),
    }  # fmt: skip
    return BackboneFile(**{**facts, **changes})


@pytest.fixture(scope="module")
def found(part_photos, tiny_spec):
    """Two sizes of a tiny backbone, one that cannot be loaded, and one that is too large."""
    lost = tiny_spec("lost", load_default=None, weights="none")
    backbones = [tiny_spec("small", 8), tiny_spec("large", 64), lost]
    return recommend_backbone(part_photos, backbones=backbones, max_latency_ms=1e3, verbose=False)


def test_every_backbone_is_a_row_or_has_a_reason(found):
    assert [(row.backbone, row.quantization) for row in found.candidates] == [
        (name, kind) for name in ("small", "large") for kind in ("int8", "float32")
    ]
    assert list(found.failed) == ["lost"]
    assert found.failed["lost"].startswith("ValueError: `weights='imagenet'` is not possible")
    assert "Not measured: lost: ValueError" in str(found)


def test_what_is_not_foreseen_ends_the_measurement(capsys):
    def refused():
        get_backbone("no such backbone")

    failed = {}
    assert _attempt(failed, "one", refused) is None and "no such backbone" in failed["one"]
    assert "one is left out. ValueError: Unknown backbone" in capsys.readouterr().err
    for error in (ValueError("cannot reshape"), OSError(errno.ENOSPC, "No space left on device")):
        with pytest.raises(type(error), match=error.args[-1]):
            _attempt(failed, "two", Mock(side_effect=error))
        assert list(failed) == ["one"]
    assert _attempt(failed, "two", Mock(side_effect=KerasRecipesError("no"))) is None


def test_the_files_are_real(found):
    small, large = found.candidates[1], found.candidates[3]
    assert small.agreement == large.agreement == 1
    # Two layers, 5x5 of 3 channels and 3x3 of all; the head is small.
    for row, filters in ((small, 8), (large, 64)):
        weights = filters * (75 + 9 * filters)
        assert 4 * weights < row.size_bytes < 4 * weights + 10_000
    assert large.latency_ms > small.latency_ms
    assert large.size_bytes > found.candidates[2].size_bytes


def test_the_reader_learns_what_was_done(found):
    assert (found.photos, found.test_photos, found.splits) == (39, 9, 3)
    text = str(found)
    assert "Measured on 39 photos in 3 splits (the 9 test photos were not looked at)" in text
    assert text.splitlines()[-1].startswith(f"Recommended: {found.best}, because ")
    marked = [line for line in text.splitlines() if line.endswith("recommended")]
    assert len(marked) == 1 and found.best.backbone in marked[0]
    again = json.loads(json.dumps(found.to_dict()))
    assert again["recommended"]["backbone"] == found.best.backbone
    assert again["limits"]["max_latency_ms"] == 1e3 and len(again["candidates"]) == 4
    assert again["candidates"][0]["latency"].keys() == {"1", "2"}


def test_the_test_photos_are_those_that_training_sets_aside(part_photos):
    photos = scan_photos(part_photos)
    train, val, _ = split_photos(photos, seed=5)
    bench = Bench.of(photos, "auto", 0.2, 0.2, 5)
    assert set(bench.photos.photos) == set(train.photos + val.photos)
    assert (bench.train.digest(), bench.val.digest()) == (train.digest(), val.digest())
    sides = [set(side.tolist()) for _, side in bench.splits]
    assert len(sides) == 3 and sides[0] != sides[1] != sides[2] != sides[0]
    for learn, judge in bench.splits:
        assert sorted([*learn, *judge]) == list(range(len(bench.photos)))


def test_groups_and_declared_splits_are_respected(part_photos):
    photos = scan_photos(part_photos, group_by=r"(\d)\.png")
    bench = Bench.of(photos, "auto", 0.2, 0.2, 0)
    groups = np.array([photo.group for photo in bench.photos.photos])
    assert all(not set(groups[a]) & set(groups[b]) for a, b in bench.splits)
    assert len(set(bench.units)) == len(set(groups))
    sides = ("train", "train", "train", "val", "test")
    listed = [replace(p, split=sides[i % 5], group=None) for i, p in enumerate(photos.photos)]
    bench = Bench.of(replace(photos, photos=tuple(listed)), "auto", 0.2, 0.2, 0)
    assert len(bench.splits) == 1 and {p.split for p in bench.val.photos} == {"val"}
    assert {photo.split for photo in bench.photos.photos} == {"train", "val"}


def probed(spec, train, val):
    """Return a model whose head is a probe, and what the probe says of the second set."""
    backbone, head = spec.build(), linear_head(train)
    learned, held_out = depth_features(backbone, spec, None, train, val)
    choice = choice_for(train, learned, head, "auto", seed=0)
    probe = choice.solve(learned, train.labels, np.ones(3))
    model = linear_model(backbone, spec, head, 3, probe.depths)
    probe.put_into(model)
    return model, probe.answers(held_out.last(probe.depths))


def test_the_exported_head_is_the_probe(part_sets, tiny_spec):
    train, val, _ = part_sets
    model, answers = probed(tiny_spec(), train, val)
    trial = TrialExport.of(model, train, val, answers, OUTPUT, seed=0)
    scores = np.asarray(trial.model.predict_on_batch(trial.pixels.astype(np.float32)))
    order = np.random.default_rng(0).permutation(len(val))
    np.testing.assert_allclose(scores, answers[order], atol=1e-4)
    assert np.array_equal(trial.answers, answers[order])


def test_calibration_sees_every_class_alike(part_sets, monkeypatch):
    train, _, _ = part_sets
    seen = []

    def read(photo, size, policy):
        seen.append(photo.label)
        return np.zeros((*size, 3), np.uint8)

    monkeypatch.setattr("kerasrecipes.photos.photo_set.read_photo", read)
    few = train.select([0, *np.flatnonzero(train.labels)])  # one dot, eight of the others
    assert calibration_inputs(few, (8, 8, 3), seed=0, count=10).shape == (9, 8, 8, 3)
    assert sorted(seen) == ["dot"] + 4 * ["plain"] + 4 * ["stripe"]


def test_a_file_that_answers_otherwise_is_not_the_same_model(part_sets, tiny_spec):
    train, val, _ = part_sets
    model, answers = probed(tiny_spec(), val, val)
    for flipped, same in ((1, True), (2, False)):
        said = answers.copy()
        said[:flipped] = np.roll(said[:flipped], 1, axis=1)
        facts = TrialExport.of(model, train, val, said, OUTPUT, seed=0).measure("float32")
        assert facts["agreement"] == pytest.approx(1 - flipped / 12)
        assert facts["same_model"] is same


def test_the_fastest_of_equals_is_chosen():
    fast, slow = candidate("fast", wrong=22, ms=2, first_wrong=10), candidate("slow", ms=9)
    best, reason = choose([slow, fast], BackboneLimits(), UNITS)
    assert best is fast
    assert "cannot be told from the best, slow as int8 (1.0 ± 2.4 points better)" in reason


def test_one_photo_makes_no_difference():
    fast, slow = candidate("fast", wrong=21, ms=2), candidate("slow", wrong=20, ms=9)
    assert choose([slow, fast], BackboneLimits(), UNITS)[0] is fast


@pytest.mark.parametrize("unit", [1e-4, 1.0, 1e4])
def test_sizes_of_errors_are_compared_in_any_unit(unit):
    def measured(name, size, ms):
        errors = unit * size * (1 + 0.5 * np.sin(UNITS * size))
        return candidate(
            name, ms=ms, task="regression", recalls={}, qualities=-errors,
            accuracy=Estimate(-errors.mean(), -1.1 * errors.mean(), -0.9 * errors.mean()),
        )  # fmt: skip

    good, like, bad = measured("good", 2.0, 9), measured("like", 2.005, 5), measured("bad", 3.0, 1)
    best, reason = choose([bad, good, like], BackboneLimits(), UNITS)
    assert best is like
    assert "whose mean absolute error cannot be told from the best, good as int8 (" in reason
    best, reason = choose([bad, good], BackboneLimits(), UNITS)
    assert best is good and "it has the best mean absolute error, and none so good" in reason
    row = good.to_dict()
    assert row["mean_absolute_error"][0] == pytest.approx(2 * unit, rel=0.02)
    assert row["mean_absolute_error"][1] < row["mean_absolute_error"][0] and "accuracy" not in row
    assert choose([good, like], BackboneLimits(), UNITS)[0] is like


def test_a_difference_beyond_one_standard_error_counts():
    fast, slow = candidate("fast", wrong=40, ms=2, first_wrong=20), candidate("slow", ms=9)
    best, reason = choose([slow, fast], BackboneLimits(), UNITS)
    assert best is slow and "it is the most accurate" in reason
    # The same photos, if they show but two parts: one that is lost, and one that is won.
    two_parts = np.where(UNITS < 20, 0, np.maximum(UNITS, 60))
    assert choose([slow, fast], BackboneLimits(), two_parts)[0] is fast


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max_latency_ms": 3}, "the closest is a as int8, which takes 5 ms, where 3 are allowed."),
        (
            {"max_size_mb": 2.5},
            "the closest is a as int8, which takes 4 MB, where 2.5 are allowed.",
        ),
        ({"min_recall": 0.95}, r"finds 90.0% \(82.6–94.5\) of 'ok', less than 95%."),
        ({"min_recall": {"crack": 0.99}}, "of 'crack', less than 99%"),
        (
            {"max_size_mb": 1, "max_latency_ms": 1},
            "takes 5 ms, where 1 are allowed, and takes 4 MB, where 1 are",
        ),
    ],
)
def test_where_none_fits_the_closest_is_named(limits, reason):
    far = candidate("b", wrong=100, ms=50, mb=50)
    best, said = choose([far, candidate()], BackboneLimits(**limits), UNITS)
    assert best is None and said.startswith("None fits: the closest is a as int8, which ")
    assert re.search(reason, said)


def test_a_quantized_file_that_became_another_model_does_not_fit():
    best, said = choose([candidate(agreement=0.9)], BackboneLimits(), UNITS)
    assert best is None and "answers 10% of the photos differently from the model itself" in said
    assert choose([], BackboneLimits(), UNITS) == (
        None,
        "None fits, because none could be measured.",
    )


def test_a_recall_that_is_not_certain_is_called_so():
    best, reason = choose([candidate()], BackboneLimits(min_recall=0.85), UNITS)
    assert best is not None
    assert "The recall is not certain, though: that of 'ok' may be as low as 83%." in reason
    assert "not certain" not in choose([candidate()], BackboneLimits(min_recall=0.7), UNITS)[1]


def test_a_class_without_photos_to_judge_by_is_not_found():
    unknown = replace(candidate(), recalls={**candidate().recalls, "rust": clustered_share([], [])})
    assert unknown.weakest_class == "ok"
    assert choose([unknown], BackboneLimits(min_recall={"rust": 0.5}), UNITS)[0] is None


def test_only_files_that_nothing_beats_are_on_the_front():
    best, faster, smaller = candidate("a"), candidate("b", 30, ms=1), candidate("c", 30, mb=1)
    beaten, twin = candidate("d", 25, ms=5, mb=4), candidate("twin")
    files = (beaten, best, faster, smaller, twin)
    found = Recommendation(files, {}, BackboneLimits(), best, "", 9, 3, 1).to_dict()
    assert [row["on_front"] for row in found["candidates"]] == [False, True, True, True, True]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_latency_ms": 0}, "`max_latency_ms` must be above 0, or None for no limit, not 0"),
        ({"max_size_mb": "5"}, "`max_size_mb` must be above 0, or None for no limit, not '5'"),
        (
            {"min_recall": 95},
            "`min_recall` must be above 0 and at most 1, or None for no limit, not 95",
        ),
        (
            {"min_recall": {"dot": -1}},
            "`min_recall` must be above 0 and at most 1, or None for no limit, not -1",
        ),
        ({"backbones": "efficientnet_lite0"}, "`backbones` must be a list of at least one name"),
        ({"backbones": []}, r"`backbones` must be a list of at least one name, not \[\]"),
        ({"backbones": ["mobilenet_v9"]}, "Unknown backbone 'mobilenet_v9'. Did you mean"),
        ({"licences": "MIT"}, r"`licences` must be a list, e.g. \['Apache-2.0', 'MIT'\], or None"),
        ({"licences": ["MIT"]}, "leave no backbone to measure: their weights have 'Apache-2.0'"),
    ],
)
def test_arguments_are_judged_before_a_photo_is_read(settings, message, monkeypatch):
    monkeypatch.setattr(
        "kerasrecipes.choosing.bench.scan_photos", lambda *_, **__: pytest.fail("too late")
    )
    with pytest.raises(ValueError, match=message):
        recommend_backbone("photos", **settings)


def test_weights_of_other_licences_are_left_out_with_the_reason():
    names = ["efficientnet_lite0", "convnext_tiny"]
    found = _licensed(names, ["Apache-2.0"])
    assert found == dict(zip(names, ("", "its weights have the licence 'MIT'"), strict=True))
    assert not any(_licensed(names, None).values())


def test_classes_and_photos_are_judged_before_a_backbone_is_built(part_photos, tiny_spec):
    def built(model):
        pytest.fail("too late")

    backbones = [tiny_spec(load_default=built)]
    with pytest.raises(ValueError, match="Unknown class 'dots'. Did you mean 'dot'"):
        recommend_backbone(part_photos, backbones=backbones, min_recall={"dots": 0.9})
    with pytest.raises(DataError, match="`val` is empty"):
        recommend_backbone(part_photos, backbones=backbones, val_fraction=0)
    photos = scan_photos(part_photos)
    with pytest.raises(ValueError, match="`group_by` and `drop_small_classes` would have no effe"):
        recommend_backbone(photos, backbones=backbones, group_by="folder")


def test_a_leak_is_told(part_photos, tiny_spec, capsys):
    lost = tiny_spec(load_default=None, weights="none")
    settings = {"group_by": r"/(\d)\d", "split_by": "random"}
    found = recommend_backbone(part_photos, backbones=[lost], **settings)
    said = capsys.readouterr().err
    assert "Warning: 2 of 2 groups lie on two sides" in said and "Measuring tiny" in said
    assert found.best is None and found.reason.endswith("because none could be measured.")
