"""The light install: what it holds and weighs, and what it can do by itself."""

import os
import re
import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from kerasrecipes import __version__
from kerasrecipes.errors import MissingDependencyError, explained
from kerasrecipes.lazy import lazy_names

ROOT = Path(__file__).parents[1]
MOST_MB, MOST_SECONDS = 250, 1.0


def run(*command: object, cwd: Path, rc: int = 0) -> str:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=kept, capture_output=True, text=True)
    assert done.returncode == rc, f"{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheels(tmp_path_factory) -> dict[str, Path]:
    """The two wheels by the name of their distribution."""
    out = tmp_path_factory.mktemp("wheels")
    run(sys.executable, ROOT / ".ci" / "wheels", out, cwd=out)
    return {path.name.partition("-")[0]: path for path in out.glob("*.whl")}


def told(wheel: Path) -> tuple[set[str], set[str], set[str]]:
    """Return the files of a wheel, what it requires, and what its extras do."""
    with zipfile.ZipFile(wheel) as archive:
        files = set(archive.namelist())
        about = archive.read(next(name for name in files if name.endswith("METADATA"))).decode()
    found = re.findall("^Requires-Dist: ([^ >=]+)(.*)$", about, flags=re.MULTILINE)
    required = {name + rest.strip() * ("==" in rest) for name, rest in found if "extra" not in rest}
    return files, required, {name for name, rest in found if "extra" in rest}


@pytest.mark.slow
def test_no_file_is_in_both_and_together_they_require_what_the_checkout_does(wheels):
    assert sorted(wheels) == ["kerasrecipes", "kerasrecipes_runtime"]
    (code, light, more), (none, full, _) = (told(wheels[name]) for name in sorted(wheels)[::-1])
    assert not {name for name in none if ".dist-info/" not in name}
    assert {"kerasrecipes/cli/__init__.py", "kerasrecipes/py.typed"} <= code
    assert f"kerasrecipes-runtime=={__version__}" in full and "tensorflow" in full
    assert {"numpy", "uvicorn"} <= light and not light & full
    assert light.isdisjoint({"tensorflow", "keras", "scikit-learn", "scipy", "matplotlib"})
    assert "tokenizers" in more


@pytest.fixture(scope="module")
def light(wheels, tmp_path_factory) -> Path:
    """The programs of a fresh environment that holds the light wheel and what it requires."""
    folder = tmp_path_factory.mktemp("light")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    programs = folder / "venv" / "bin"
    run(
        sys.executable, "-m", "pip", "--python", programs / "python", "install", "--quiet",
        "--disable-pip-version-check", "--constraint", ROOT / "constraints.txt",
        wheels["kerasrecipes_runtime"], cwd=folder,
    )  # fmt: skip
    return programs


@pytest.mark.slow
def test_the_light_install_is_small_and_quick(light, tmp_path):
    files = (path for path in light.parent.rglob("*") if path.is_file() and not path.is_symlink())
    assert sum(path.stat().st_size for path in files) < MOST_MB * 1e6
    seconds = []
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert "predict" in run(light / "kerasrecipes", "--help", cwd=tmp_path)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < MOST_SECONDS


@pytest.mark.slow
def test_the_light_install_predicts_verifies_and_watches(light, exported, tiny, tmp_path):
    import kerasrecipes as kr

    for name, seed in (("held_out", 51), ("new", 52)):
        pixels, labels = tiny.colour_photos(60, seed)
        for i, (photo, label) in enumerate(zip(pixels, labels, strict=True)):
            path = tmp_path / name / tiny.CLASS_NAMES[label] / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(tiny.png(photo))
    file = exported.export("tflite", overwrite=True, signatures=("embed",)).path
    kr.profile_bundle(exported, tmp_path / "held_out").write(tmp_path / "profile.npz")
    program, model = light / "kerasrecipes", exported.folder
    assert "%" in run(program, "predict", model, "new", cwd=tmp_path)
    assert " photos in 1 shards." in run(program, "score", model, "new", "--to", "s", cwd=tmp_path)
    assert "latency" in run(program, "verify", model, cwd=tmp_path)
    said = run(program, "drift", file, "new", "--reference", "profile.npz", cwd=tmp_path)
    assert said.startswith("No change seen: 60 photos, compared with 60.")
    said = run(program, "train", "new", "--to", "saved", cwd=tmp_path, rc=1)
    assert said.endswith("a light install leaves out. Run: pip install kerasrecipes\n")


def test_what_training_takes_is_named_and_other_errors_stay():
    other = ModuleNotFoundError("No module named 'mine'", name="mine")
    assert explained(other) is other
    deep = ModuleNotFoundError("No module named 'keras.layers'", name="keras.layers")
    assert "needs 'keras', which a light install leaves out" in str(explained(deep))


def test_a_name_that_needs_what_is_left_out_says_so(monkeypatch, tmp_path):
    (tmp_path / "lightly").mkdir()
    for name, text in {
        "__init__": "",
        "one": "error = ModuleNotFoundError(name='keras')\nraise error",
    }.items():
        (tmp_path / "lightly" / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    get, _, _ = lazy_names("lightly", {"one": "One"})
    with pytest.raises(MissingDependencyError, match="needs 'keras', which a light install"):
        get("One")
