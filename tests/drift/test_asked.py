"""A look by an exported file: the same numbers, without tensorflow and without Keras."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

import kerasrecipes as kr
from kerasrecipes.drift import asked as asked_module
from kerasrecipes.release.bundle import Bundle

OFFLINE = """
import sys
import kerasrecipes as kr
from kerasrecipes.cli import main
sys.argv = ["kerasrecipes", *sys.argv[1:]]
try:
    main()
except SystemExit as stopped:
    loaded = {"tensorflow", "keras", "sklearn", "scipy", "matplotlib"} & set(sys.modules)
    sys.exit(f"loaded: {loaded}" if loaded else stopped.code)
"""


@pytest.fixture(scope="module")
def embedding(exported_once, tmp_path_factory):
    """A bundle whose export gives features."""
    folder = tmp_path_factory.mktemp("embedding") / "colours" / "1"
    shutil.copytree(exported_once.folder, folder)
    shutil.rmtree(folder / "exports")
    bundle = Bundle.load(folder)
    bundle.export("tflite", signatures=("embed",))
    return bundle


@pytest.fixture(scope="module")
def profile_file(profile, tmp_path_factory):
    path = tmp_path_factory.mktemp("device") / "profile.npz"
    profile.write(path)
    return path


def test_a_file_says_the_same_as_keras(exported_once, embedding, profile, line):
    by_keras, by_file = (
        kr.detect_drift(model, line / "week0", reference=profile)
        for model in (exported_once, embedding)
    )
    assert [one.name for one in by_keras.shifts] == [one.name for one in by_file.shifts]
    for one, other in zip(by_keras.shifts, by_file.shifts, strict=True):
        assert one.p_value == pytest.approx(other.p_value, rel=0.02, abs=1e-3)


@pytest.mark.parametrize("lone", [False, True], ids=["bundle", "lone file"])
def test_neither_tensorflow_nor_keras_is_loaded(embedding, profile_file, line, tmp_path, lone):
    model = embedding.folder
    if lone:
        model = tmp_path / "colours.tflite"
        shutil.copyfile(embedding.exports()["tflite-float32"].path, model)
    told = [str(model), str(line / "dark"), "--reference", str(profile_file), "--json"]
    told += ["--history", str(tmp_path / "drift.db"), "--html", str(tmp_path / "page.html")]
    run = [sys.executable, "-c", OFFLINE, "drift", *told]
    done = subprocess.run(run, capture_output=True, text=True)
    assert done.returncode == 5, done.stderr
    assert json.loads(done.stdout)["verdict"] == "alarm"
    assert (tmp_path / "page.html").read_text().count("<figure>") == 8


def test_without_features_and_keras_the_export_is_named(exported_once, profile, line, monkeypatch):
    def missing(model):
        raise ModuleNotFoundError("No module named 'keras'")

    monkeypatch.setattr(asked_module, "keras_runner", missing)
    with pytest.raises(kr.MissingDependencyError, match="--signatures embed"):
        kr.detect_drift(exported_once, line / "week0", reference=profile)


def test_a_lone_file_needs_features_and_a_profile_of_its_model(
    exported_once, embedding, profile, line
):
    plain, embeds = (one.exports()["tflite-float32"].path for one in (exported_once, embedding))
    with pytest.raises(kr.DataError, match="gives no features.*--signatures embed"):
        kr.detect_drift(plain, line / "week0", reference=profile)
    with pytest.raises(kr.DataError, match="lone file, and holds no profile"):
        kr.detect_drift(embeds, line / "week0")
    output = profile.facts.output.model_copy(update={"class_names": ("a", "b", "c")})
    other = replace(profile, facts=profile.facts.model_copy(update={"output": output}))
    with pytest.raises(kr.DataError, match="Pass the profile of this model"):
        kr.detect_drift(embeds, line / "week0", reference=other)
