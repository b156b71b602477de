"""`kerasrecipes optimize`, from a saved model to a smaller one."""

import json
import shutil

import pytest

from kerasrecipes import Bundle
from kerasrecipes.optimization import distilling
from kerasrecipes.optimization.bundle_optimization import photos_of_fit
from kerasrecipes.optimization.search import search


@pytest.fixture(autouse=True)
def without_training(monkeypatch):
    monkeypatch.setattr(search, "plans_of", lambda *_: [])
    monkeypatch.setattr(search, "WITHOUT_TRAINING", ("float32", "dynamic"))


def test_a_saved_model_becomes_smaller(kr, model, photos, tmp_path):
    code, out, err = kr("optimize", model, photos, "--max-drop", 0.5, "--run", tmp_path / "run")
    assert code == 0
    assert "float32: accuracy" in err and "float32: accuracy" not in out
    assert "← pick" in out and "on 12 photos that were not used:" in out
    bundle = Bundle.load(tmp_path / "saved_models" / "parts_small")
    assert f"Saved to {bundle.folder}" in out.replace("\n", "")
    assert len(bundle.exports()) == 1
    assert bundle.manifest.optimization[-1]["name"] == "optimize"
    code, out, err = kr(
        "optimize", model, photos, "--max-drop", 0.5, "--run", tmp_path / "run", "--json",
        "--to", tmp_path / "other",
    )  # fmt: skip
    told = json.loads(out)
    assert code == 0 and "Going on with 2 candidates" in err
    assert told["folder"] == str(tmp_path / "other" / "1") and told["test"]["n"] == 12
    assert [one["name"] for one in told["candidates"]] == ["float32", "dynamic"]


def test_students_by_name_see_the_photos_as_the_model_does(kr, model, photos, monkeypatch):
    asked = []
    monkeypatch.setattr(search, "WITHOUT_TRAINING", ("float32",))
    monkeypatch.setattr(search, "plans_of", lambda *given: asked.append(given) or [])
    judged, judge = [], distilling.judge_recipe
    monkeypatch.setattr(distilling, "judge_recipe", lambda one: judged.append(one) or judge(one))
    code, *_ = kr(
        "optimize", model, photos, "--max-drop", 0.5, "--seed", 3,
        "--student", "efficientnet_lite1", "--student", "mobilenet_v3_small",
    )  # fmt: skip
    assert code == 0
    ((recipe, students),) = asked
    assert recipe.seed == 3
    assert list(students) == ["student-efficientnet_lite1", "student-mobilenet_v3_small"]
    lite, mobile = (one.recipe for one in students.values())
    assert judged == [lite, mobile]  # each once
    # Where nothing can be installed, weights are downloaded.
    assert (lite.weights, mobile.weights) == ("default", "imagenet")
    seen = ("augment", "views", "batch_size", "seed")
    assert all(getattr(lite, name) == getattr(recipe, name) for name in seen)
    code, _, err = kr("optimize", model, photos, "--student", "mobilenet_v3_smal")
    assert code == 1 and "Unknown backbone 'mobilenet_v3_smal'. Did you mean" in err


def test_what_is_not_reachable_exits_with_3_and_saves_nothing(
    kr, model, photos, tmp_path, monkeypatch
):
    monkeypatch.setattr(search, "WITHOUT_TRAINING", ("float32",))
    code, out, _ = kr("optimize", model, photos, "--max-mb", 0.001)
    assert code == 3 and "Not reachable: the closest is" in out
    assert [path.name for path in (tmp_path / "saved_models").iterdir()] == ["parts"]


def test_the_sides_of_the_fit_are_found_again_by_digest(model, photos, part_sets):
    train, val, test = part_sets
    for number, path in enumerate(sorted(photos.rglob("*.png"))):
        path.rename(path.with_name(f"renamed-{number}.png"))
    found = photos_of_fit(Bundle.load(model), photos)
    for side, expected in zip(found, (train, val, test), strict=True):
        assert side.digest() == expected.digest()


def test_missing_photos_and_strange_classes_are_named(kr, model, photos):
    shutil.copytree(photos / "dot", photos / "crack")
    code, _, err = kr("optimize", model, photos)
    assert code == 1 and "does not know the classes 'crack'" in err
    shutil.rmtree(photos / "crack")
    shutil.rmtree(photos / "dot")
    code, _, err = kr("optimize", model, photos)
    assert code == 1 and "of the 36 photos that the model in" in err and "are not in" in err


def test_a_folder_that_is_no_models_is_refused_before_the_search(kr, model, photos, monkeypatch):
    monkeypatch.setattr(search.Search, "run", lambda *_: pytest.fail("it searched"))
    code, out, err = kr("optimize", model, photos, "--to", model / "1")
    assert code == 1 and out == "" and "is one version of a model. Name the folder above" in err


@pytest.mark.parametrize(
    ("verb", "options", "step"),
    [
        pytest.param(
            *("prune", ("--channels", 0.5, "--epochs", 1), "prune"), marks=pytest.mark.proof
        ),
        pytest.param("quantize", ("--epochs", 1), "quantize", marks=pytest.mark.proof),
        ("quantize", ("--mode", "float16"), None),
        ("distil", ("--backbone", "tiny", "--image-size", 48, "--epochs", 1), "distil"),
    ],
)
def test_one_step_makes_another_model(
    kr, model, photos, tmp_path, tiny_command, verb, options, step
):
    code, out, err = kr(verb, model, photos, "--to", tmp_path / "made", *options)
    assert code == 0, err
    assert "On 12 photos that were not used:" in out
    bundle = Bundle.load(tmp_path / "made")
    assert [one["name"] for one in bundle.manifest.optimization] == ([step] if step else [])
    assert bundle.manifest.golden_split == "test"
    assert (" with its file." in out) == bool(bundle.exports()) == (verb == "quantize")


def test_one_step_without_photos_to_spare(kr, model, part_sets, tmp_path):
    for photo in (*part_sets[0].photos, *part_sets[1].photos):
        (tmp_path / "fit" / photo.label).mkdir(parents=True, exist_ok=True)
        shutil.copy(photo.path, tmp_path / "fit" / photo.label)
    to, options = tmp_path / "made", ("--mode", "dynamic")
    code, out, _ = kr("quantize", model, tmp_path / "fit", "--to", to, *options, "--json")
    told = json.loads(out)
    assert code == 0 and told == {"steps": [], "test": None, "folder": str(to / "1")}
    code, out, _ = kr("quantize", model, tmp_path / "fit", "--to", to, *options)
    assert code == 0 and "There are no other photos than those of the fit" in out


def test_wrong_wishes_for_one_step_are_one_line(kr, model, photos, tmp_path):
    for arguments, told in (
        (("prune",), "Pass exactly one of `channels`, `max_multiply_adds`"),
        (("quantize", "--mode", "int9"), "Unknown mode 'int9'. Did you mean 'int8'"),
        (("quantize", "--keep-float", 0.1), "`keep_float` has no effect with mode='qat'"),
        (("distil", "--backbone", "efficientnet_lite"), "Unknown backbone"),
    ):
        verb, *options = arguments
        code, out, err = kr(verb, model, photos, "--to", tmp_path / "made", *options)
        assert code == 1 and out == "" and told in err
    assert not (tmp_path / "made").exists()
