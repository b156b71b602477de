"""Every template runs, is short, and can be copied."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from kerasrecipes import DataError, copy_recipe, list_recipes

RECIPES = Path(__file__).parents[2] / "recipes"
TEMPLATES = sorted(path.name for path in RECIPES.iterdir() if (path / "README.md").is_file())


def scripts(folder: Path) -> list[Path]:
    return [
        path for path in sorted(folder.glob("*.py"))
        if 'if __name__ == "__main__"' in path.read_text(encoding="utf-8")
    ]  # fmt: skip


def test_the_catalogue_is_what_lies_there():
    assert list(list_recipes()) == TEMPLATES == [
        "defect_detection", "drift_watch", "export_to_mobile", "few_photos", "own_keras_model",
        "serve_models",
    ]  # fmt: skip


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_one_short_script_with_a_readme(name):
    (script,) = scripts(RECIPES / name)
    for path in (RECIPES / name).glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 120, path
    assert list_recipes()[name] in script.read_text(encoding="utf-8")
    assert script.name in (RECIPES / name / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_copy_is_complete(name, tmp_path):
    (RECIPES / name / "__pycache__").mkdir(exist_ok=True)
    folder = copy_recipe(name, tmp_path / "deep" / "my_line")
    expected = {path.name for path in (RECIPES / name).iterdir()} - {"__pycache__"}
    assert {path.name for path in folder.iterdir()} == expected
    for copied in folder.iterdir():
        assert copied.read_bytes() == (RECIPES / name / copied.name).read_bytes()


def test_copying_overwrites_nothing(tmp_path):
    with pytest.raises(ValueError, match="Unknown recipe 'defects'. .*'defect_detection'"):
        copy_recipe("defects", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    (tmp_path / "notes.txt").write_text("mine")
    for to in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(DataError, match="is not empty. Name a new folder, so that nothing is"):
            copy_recipe("defect_detection", to)
    assert os.listdir(tmp_path) == ["notes.txt"]
    (tmp_path / "empty").mkdir()
    assert copy_recipe("defect_detection", str(tmp_path / "empty")) == tmp_path / "empty"


def run(script: Path, *arguments, cwd: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, script, *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.fixture
def run_here(tmp_path, monkeypatch, capsys):
    """Runs a template, by name or folder, as a script, in this process.

    It returns the exit code, stdout and stderr.
    """

    def run(name, *arguments) -> tuple[object, str, str]:
        (script,) = scripts(RECIPES / name)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [str(script), *map(str, arguments)])
        monkeypatch.setattr(sys, "path", [str(script.parent), *sys.path])
        code: object = 0
        try:
            runpy.run_path(str(script), run_name="__main__")
        except SystemExit as end:
            code = end.code
        return code, *capsys.readouterr()

    return run


@pytest.mark.slow
def test_a_copied_template_runs_on_the_demo_photos(run_here, tmp_path):
    pytest.importorskip("elpv_dataset")
    code, out, err = run_here(copy_recipe("defect_detection", tmp_path / "line"), "--smoke")
    assert code == 0, err[-2000:]
    assert "tflite-float32: verified" in out and "Done in" in out
    assert out.rstrip().endswith("kerasrecipes serve saved_models/defects")
    (version,) = tmp_path.glob("saved_models/*/2")  # the first has no operating point
    assert (version / "report.html").is_file()
    assert (version / "exports" / "tflite-float32" / "model.tflite").is_file()
    page = (version.parent / "summary-2.html").read_text(encoding="utf-8")
    assert "defective" in page and "kerasrecipes drift" in page


@pytest.mark.parametrize(
    ("name", "code", "said", "made"),
    [
        ("drift_watch", 5, "alarm", ["drift.db", "to_label.csv"]),
        ("export_to_mobile", 0, "tflite-float32: verified", [
            "saved_models/mine/1/exports/tflite-float32/model.tflite",
            *(f"saved_models/mine-{to}/README.md" for to in ("cpp", "kotlin", "python", "swift")),
        ]),
        ("few_photos", 0, "tflite-float32: verified", ["saved_models/few/1/report.html"]),
        ("own_keras_model", 0, "tflite-float32: verified", ["saved_models/own/1/report.html"]),
        ("serve_models", 0, "would go to http://127.0.0.1:8080/predict", []),
    ],
)  # fmt: skip
def test_a_template_runs(name, code, said, made, run_here, tmp_path):
    ended, out, _ = run_here(name, "--smoke")
    assert ended == code, ended
    assert said in out.lower() and "Done." in out
    for path in made:
        assert (tmp_path / path).stat().st_size > 0


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("defect_detection", ["{new}"], "There is no folder or table"),
        ("defect_detection", ["{photos}", "--seed", -3], "`seed` must be a whole number of at lea"),
        ("few_photos", ["{new}"], "There is no folder or table"),
        ("few_photos", [], "Name a folder of photos, or try --smoke."),
        ("drift_watch", ["{new}", "{photos}"], "no saved model in"),
        ("drift_watch", ["{new}"], "Name a saved model and new photos"),
        ("export_to_mobile", ["{new}", "{photos}"], "{new}"),
        ("export_to_mobile", ["{new}"], "Name your model and photos"),
        ("own_keras_model", ["{new}", "{photos}"], "{new}"),
        ("own_keras_model", [], "Name your model and photos"),
        ("serve_models", [], "Name a server and photos"),
        ("serve_models", ["http://127.0.0.1:9", "{new}/none"], "none"),
    ],
)
def test_a_template_says_what_is_wrong(name, arguments, message, run_here, part_photos, tmp_path):
    places = {"new": tmp_path / "nowhere.keras", "photos": part_photos}
    code, _, _ = run_here(name, *(str(one).format(**places) for one in arguments))
    assert message.format(**places) in str(code)
    assert list(tmp_path.iterdir()) == []


def test_a_template_ends_without_a_traceback(tmp_path):
    (script,) = scripts(RECIPES / "few_photos")
    done = run(script, tmp_path / "nowhere", cwd=tmp_path)
    assert done.returncode == 1 and "There is no folder or table" in done.stderr
    assert "Traceback" not in done.stderr and list(tmp_path.iterdir()) == []
