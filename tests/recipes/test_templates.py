"""Every template runs, is short, and can be copied."""

import os
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
    assert len(TEMPLATES) == 1
    assert list(list_recipes()) == TEMPLATES == ["defect_detection"]


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


@pytest.mark.slow
@pytest.mark.parametrize("name", TEMPLATES)
def test_a_copied_template_runs(name, tmp_path):
    pytest.importorskip("elpv_dataset")
    (script,) = scripts(copy_recipe(name, tmp_path / "line"))
    done = run(script, "--smoke", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "tflite-float32: verified" in done.stdout and "Done in" in done.stdout
    (version,) = tmp_path.glob("saved_models/*/1")
    assert (version / "report.html").is_file()
    assert (version / "exports" / "tflite-float32" / "model.tflite").is_file()


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_says_in_one_line_what_is_wrong(name, part_photos, tmp_path):
    (script,) = scripts(RECIPES / name)
    for arguments, message in (
        ([tmp_path / "nowhere"], "There is no folder or table"),
        ([part_photos, "--seed", -3], "`seed` must be a whole number of at least 0, got -3."),
    ):
        done = run(script, *arguments, cwd=tmp_path)
        assert done.returncode == 1
        assert message in done.stderr and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
