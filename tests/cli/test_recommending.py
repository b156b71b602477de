"""`kerasrecipes recommend`: its output, its options and its exit codes."""

import json
import re
import shlex

import numpy as np
import pytest
from PIL import Image

from kerasrecipes.choosing import recommend as recommending
from kerasrecipes.choosing.candidates import BackboneLimits
from kerasrecipes.choosing.recommendation import Recommendation


def test_a_recommendation_ends_with_the_next_command(kr, photos, tiny_command):
    options = ("--backbone", "tiny", "--image-size", 48, "--min-recall", "0.01", "--seed", 2)
    code, out, err = kr("recommend", photos, *options)
    assert code == 0 and err == "Measuring tiny …\n"
    assert re.search(r"^\* tiny +(int8|float32) .* recommended$", out, re.MULTILINE)
    assert re.search(r"Recommended: tiny as (int8|float32), because ", out)
    *_, last = out.splitlines()
    assert last == (
        f"Next: kerasrecipes train {shlex.quote(str(photos))} --backbone tiny "
        "--image-size 48 --seed 2 --to saved_models/…"
    )


@pytest.fixture
def asked(monkeypatch):
    """What the command asks of the function, which then finds that nothing fits."""
    seen = {}

    def answer(photos, **settings):
        seen.update(settings, photos=photos)
        return Recommendation(
            (), {"x": "DownloadError: no"}, BackboneLimits(), None, "None fits.", 9, 3, 1
        )

    monkeypatch.setattr(recommending, "recommend_backbone", answer)
    return seen


def test_nothing_fits_exits_with_3(kr, photos, asked):
    code, out, _ = kr("recommend", photos)
    assert (
        code == 3 and out.endswith("None fits.\n") and "Not measured: x: DownloadError: no" in out
    )
    code, out, _ = kr("recommend", photos, "--json")
    assert code == 3 and json.loads(out)["recommended"] is None


def test_options_arrive_as_they_were_meant(kr, photos, asked):
    kr(
        "recommend", photos, "--max-ms", 5, "--max-mb", "4.5", "--min-recall", "a=b=0.9",
        "--min-recall", "ok=0.5", "--backbone", "one", "--backbone", "two", "--group-by", "part",
        "--split-by", "group", "--image-size", 64, "--seed", 7, "--drop-small-classes",
        "--licence", "MIT", "--licence", "none",
    )  # fmt: skip
    assert asked == {
        "photos": photos, "backbones": ["one", "two"], "max_latency_ms": 5, "max_size_mb": 4.5,
        "min_recall": {"a=b": 0.9, "ok": 0.5}, "image_size": (64, 64), "group_by": "part",
        "split_by": "group", "seed": 7, "drop_small_classes": True,
        "head": None, "licences": ["MIT", "none"],
    }  # fmt: skip
    kr("recommend", photos, "--min-recall", "0.9")
    assert asked["min_recall"] == 0.9
    kr("recommend", photos)
    assert asked["min_recall"] is None and asked["backbones"] is None


@pytest.mark.parametrize(
    ("recalls", "message"),
    [
        (["most"], "'most' is neither a number nor <class>=<number>"),
        (["dot=most"], "'dot=most' is neither a number nor <class>=<number>"),
        (["0.9", "dot=0.5"], "one number holds for the weakest class"),
        (["0.9", "0.8"], "one number holds for the weakest class"),
    ],
)
def test_a_recall_that_cannot_be_read_is_wrong_usage(kr, photos, recalls, message):
    code, out, err = kr("recommend", photos, *(w for r in recalls for w in ("--min-recall", r)))
    assert code == 2 and out == "" and message in " ".join(err.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--backbone", "efficientnet_lite9"], "Unknown backbone 'efficientnet_lite9'. Did you"),
        (
            ["--min-recall", "95"],
            "`min_recall` must be above 0 and at most 1, or None for no limit, not 95.0",
        ),
        (["--min-recall", "dots=0.9"], "Unknown class 'dots'. Did you mean 'dot'"),
        (["--max-ms", "0"], "`--max-ms` must be above 0, or None for no limit, not 0.0"),
    ],
)
def test_errors_are_one_clear_line(kr, photos, arguments, message):
    code, out, err = kr("recommend", photos, *arguments)
    assert code == 1 and out == "" and err.count("\n") == 1 and message in err


def test_a_column_that_is_named_is_used_and_repeated(kr, photos, asked, tmp_path, monkeypatch):
    found = sorted(photos.rglob("*.png"))
    rows = [f"{path},{path.parent.name},{i}" for i, path in enumerate(found)]
    (tmp_path / "told.csv").write_text("\n".join(["path,kind,label", *rows]))
    kr("recommend", tmp_path / "told.csv", "--label", "kind")
    assert asked["photos"].class_names == ("dot", "plain", "stripe")
    assert "group_by" not in asked and "label" not in asked


def test_numbers_are_compared_and_trained_as_such(kr, photos, tiny_command, tmp_path):
    sizes = {"dot": 4000.0, "plain": 4001.0, "stripe": 4003.0}
    found = sorted(photos.rglob("*.png"))
    rows = [f"{path},{sizes[path.parent.name] + i % 4}" for i, path in enumerate(found)]
    (tmp_path / "told.csv").write_text("\n".join(["path,thickness", *rows]))
    options = ("--value", "thickness", "--backbone", "tiny", "--image-size", 32)
    code, out, err = kr("recommend", tmp_path / "told.csv", *options)
    assert code == 0 and err == "Measuring tiny …\n"
    heading = out.splitlines()[2]
    assert "mean absolute error" in heading and "R²" in heading and "weakest" not in heading
    assert re.search(r"^\* tiny +(int8|float32) +[\d.]+ \[[\d.]+, [\d.]+\] ", out, re.MULTILINE)
    assert "answers differ" not in re.findall(r"^.* tiny +float32.*$", out, re.MULTILINE)[0]
    last = out.splitlines()[-1]
    assert "--value thickness" in last and "--set head=regression --to" in last


def test_photos_of_other_channels_are_measured_as_they_are_trained(
    kr, photos, tiny_command, tmp_path
):
    rng = np.random.default_rng(0)
    for path in sorted(photos.rglob("*.png")):
        with Image.open(path) as picture:
            grey = np.asarray(picture.convert("L"), np.float32)
        several = np.stack([grey, 255 - grey, rng.permuted(grey), grey / 2], axis=-1)
        np.save(path.with_suffix(".npy"), (several / 255).astype(np.float32))
        path.unlink()
    pixels = ("--channels", 4, "--dtype", "float32", "--value-range", "0,1")
    options = ("--backbone", "tiny", "--image-size", 32, *pixels)
    code, out, err = kr("recommend", photos, *options)
    assert (code, err) == (0, "Measuring tiny …\n")
    *_, last = out.splitlines()
    assert "--channels 4 --dtype float32 --value-range 0,1 --to" in last


def test_auto_scans_photos_as_it_is_told(kr, photos, tmp_path, monkeypatch):
    seen = {}

    class Done:
        met, to_dict = True, dict

    monkeypatch.setattr(
        "kerasrecipes.tuning.automatic.auto",
        lambda photos, to, **how: seen.update(photos=photos) or Done(),
    )
    code, _, err = kr(
        "auto", photos, "--to", tmp_path / "app", "--channels", 1, "--fit", "letterbox", "--json"
    )
    assert (code, err) == (0, "")
    policy = seen["photos"].policy
    assert (policy.channels, policy.resize) == (1, "letterbox")
