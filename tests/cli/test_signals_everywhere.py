"""Every command with a model or recordings: it works, or says at once what to use instead."""

import asyncio
import json
import shutil

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes import backbones
from kerasrecipes.cli import COMMANDS, main
from tiny_signals import draw_signal, tiny_net, write_long_table, write_recordings

SIGNALS = ("--recipe", "sequence_classification")
REMADE = "Export it instead with 8-bit weights"
NO_PHOTOS = "Recordings are read by scan_signals, and on the command line by doctor, init, train"
NONE_PRETRAINED = "with a pretrained backbone, and there is none for signals"

# What is typed; how it ends; and what is said.
WORKS = {
    "doctor": [(("folder", *SIGNALS, "--split", "random"), 0, "shake")],
    "init": [(("long", "--to", "recipe", *SIGNALS, "--id", "walk"), 0, "--recipe sequence_")],
    "evaluate": [
        (("model", "new", "--slice", "steps"), 0, "steps: "),
        (("model", "long", "--id", "walk", "--channels", "x,y"), 1, "reads the channels 'left'"),
    ],
    "verify": [(("model",), 0, "tflite-float32: verified")],
    "benchmark": [(("model", "--runs", "10"), 0, "Times are for one signal")],
    "drift": [(("model", "new"), 6, "Insufficient data")],
    "compare": [(("versions", "1", "2", "new"), 3, "signals, the same for both")],
    "operate": [(("model", "--abstain", "0.1"), 0, "signals to a person")],
    "report": [(("model", "--to", "page", "--card", "card"), 0, "Model card written")],
    "export": [
        (("model", "--quantization", "dynamic"), 0, "tflite-dynamic: verified"),
        (("model", "--signatures", "step", "--overwrite"), 0, "tflite-float32: verified"),
    ],
    "score": [(("model", "folder", "--to", "scores"), 0, "60 signals in 1 shards")],
    "predict": [
        (("model", "one", "folder"), 0, "turn"),
        (("model", "one", "--stream", "--export", "tflite-float32"), 0, "step 5"),
        (("model", "one", "--stream", "--export", "tflite-dynamic"), 1, "answer step by step"),
    ],
}
REFUSED = {
    "export": [
        (("model", "--signatures", "embed", "--overwrite"), "can be ('step',), not ('embed',)"),
        (("model", "--quantization", "int8"), "15 to 48 % of 370 recordings kept"),
    ],
    "stress": [(("model", "new"), "Measure where the model is worse by `evaluate`")],
    "explain": [(("model", "one"), "this model takes signals")],
    "review": [(("model", "new"), "so far, and this one is for signals")],
    "starter": [(("model", "app", "--language", "python"), "by kerasrecipes.Predictor")],
    "optimize": [(("model", "new"), REMADE)],
    "prune": [(("model", "new", "--to", "app", "--channels", "0.5"), REMADE)],
    "quantize": [(("model", "new", "--to", "app"), REMADE)],
    "distil": [(("model", "new", "--to", "app", "--backbone", "mobilenet_v2"), REMADE)],
    "mistakes": [(("new", *SIGNALS), NONE_PRETRAINED)],
    "over-time": [(("new", *SIGNALS), "no time")],
    "ablate": [(("folder",), NO_PHOTOS)],
    "recommend": [(("folder",), NO_PHOTOS)],
    "auto": [(("folder", "--to", "app"), NO_PHOTOS)],
    "tune": [
        (("folder",), NO_PHOTOS),
        (("folder", *SIGNALS), "Compare families of networks: kerasrecipes recommend"),
    ],
    "show-augmentation": [(("folder", "--to", "picture"), NO_PHOTOS)],
}
ELSEWHERE = {"train"}  # below
ABOUT_NO_DATA = {"ls", "cp"}
# Of versions and of what was logged, whatever kind of data it is of.
LATER = {
    "promote", "rollback", "history", "diff", "check", "monitor", "rollout", "serve", "new-key",
    "sign", "bom",
}  # fmt: skip
# Not tried with signals yet.
UNTRIED = {"edge", "retrain", "collect"}


@pytest.fixture(scope="module")
def places(signal_bundle, recordings, tmp_path_factory):
    """Where what the commands name lies: the model may be changed."""
    root = tmp_path_factory.mktemp("everywhere")
    versions = shutil.copytree(signal_bundle.folder.parent, root / "models")
    kr.operate_bundle(versions, abstain=0.2)
    np.save(root / "one.npy", draw_signal("turn", 99))
    found = {
        "new": write_recordings(root / "new", 12, first=40),
        "long": write_long_table(root / "long.csv", 8),
        "one": root / "one.npy",
        "folder": recordings,
    }
    made = {
        "recipe": "recipe.toml",
        "page": "p.html",
        "card": "c.md",
        "picture": "p.png",
        "scores": "s",
    }
    found |= {name: root / file for name, file in made.items()}
    return {**found, "model": versions / "1", "versions": versions, "app": root / "a"}


def run(words, places):
    with pytest.raises(SystemExit) as end:
        main([str(places.get(word, word)) for word in words])
    return end.value.code or 0


def cases(of):
    return [(verb, *case) for verb, several in of.items() for case in several]


def test_no_command_is_left_out():
    assert {*WORKS, *REFUSED, *ELSEWHERE, *ABOUT_NO_DATA, *LATER, *UNTRIED} == set(COMMANDS)


@pytest.mark.parametrize("verb, words, code, told", cases(WORKS))
def test_it_works_and_speaks_of_signals(verb, words, code, told, places, capsys):
    assert run((verb, *words), places) == code
    said = "".join(capsys.readouterr())
    assert told in said and "photo" not in said.replace("--photos", "")


@pytest.mark.parametrize("verb, words, told", cases(REFUSED))
def test_it_is_refused_before_any_work(verb, words, told, places, monkeypatch, capsys):
    from kerasrecipes.release.bundle import Bundle

    def load(self):
        raise AssertionError("the model is loaded before the refusal")

    monkeypatch.setattr(Bundle, "load_model", load)
    assert run((verb, *words), places) == 1
    said = capsys.readouterr().err
    assert told in said and len(said.splitlines()) == 1
    assert not places["app"].exists() and not places["picture"].exists()


def test_what_was_written_speaks_of_signals(places):
    card = places["card"].read_text(encoding="utf-8")
    assert "photo" not in card
    recipe = places["recipe"].read_text(encoding="utf-8")
    assert "[signals]" in recipe and 'id = "walk"' in recipe and "image_size" not in recipe


def test_training_to_a_model(places, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(backbones._SIGNALS.added, "tiny_net", tiny_net())
    folder, run_folder = tmp_path / "model", tmp_path / "run"
    words = (*SIGNALS, "--backbone", "tiny_net", "--id", "walk", "--window", "16")
    words = (*words, "--epochs", "2", "--run", str(run_folder), "--to", str(folder))
    assert run(("train", "long", *words), places) == 0
    told = "".join(capsys.readouterr())
    assert "test signals:" in told and "Ridge on random convolutions" in told
    assert f"Next: kerasrecipes export {folder}/1 --format tflite\n" in told
    written = (run_folder / "recipe.toml").read_text(encoding="utf-8")
    assert "[signals]" in written and "window = 16" in written
    spec = json.loads((folder / "1" / "bundle.json").read_text())["input"]
    assert spec["preparation"]["window"] == 16 and spec["preparation"]["channels"] == ["x", "y"]


@pytest.mark.parametrize(
    "words, told",
    [
        (("train", "folder", "--to", "app", *SIGNALS, "--augment", "light"), "about signals"),
        (("train", "folder", "--to", "app", "--window", "9"), "'window' would have no effect"),
        (("doctor", "folder", *SIGNALS, "--text", "x"), "it is not for signals"),
        (("doctor", "folder", "--window", "8"), "it is not for photos"),
        (("evaluate", "model", "new", "--labels-from", "none"), "it is not for signals"),
    ],
)
def test_options_of_other_data_are_refused(words, told, places, capsys):
    assert run(words, places) == 2
    assert told in " ".join(capsys.readouterr().err.split()).replace("│ ", "")


def test_missing_values_are_answered_by_the_protocol_as_by_predict(places, tmp_path, monkeypatch):
    from kerasrecipes.server.models import Models
    from kerasrecipes.server.refused import Refused
    from kerasrecipes.server.service import Service
    from kerasrecipes.server.settings import ServerSettings
    from kerasrecipes.server.trial import Turn

    values = draw_signal("turn", 99)
    values[3:7, 0] = np.nan
    np.save(tmp_path / "gaps.npy", values)
    (expected,) = kr.Predictor(places["model"]).predict([tmp_path / "gaps.npy"])
    shutil.copytree(places["model"], tmp_path / "moves" / "1")
    service = Service(models := Models(tmp_path / "moves"), ServerSettings())
    models.refresh()
    turn, content = Turn(models.find(None, "1")), values[None].astype("<f4").tobytes()
    takes = turn.served.predictor.input.name
    one = {"name": takes, "datatype": "FP32", "shape": [1, *values.shape]}
    listed = [None if np.isnan(value) else float(value) for value in values.ravel()]
    as_json = json.dumps({"inputs": [{**one, "data": listed}]}).encode()
    one["parameters"] = {"binary_data_size": len(content)}
    head = json.dumps({"inputs": [one]}).encode()
    asked = [(as_json, None), (head + content, str(len(head)))]
    for body, length in asked:
        _, _, answers = asyncio.run(service.infer(turn, body, length))
        assert sorted(answers["scores"][0]) == pytest.approx(sorted(expected.scores.values()))
    # A model that knows no gaps says so.
    monkeypatch.setattr(type(turn.served.predictor.modality), "has_gaps", False)
    for body, length in asked:
        with pytest.raises(Refused, match="holds NaN, and no value may be missing here"):
            asyncio.run(service.infer(turn, body, length))
    service.close()


def test_no_export_is_advised_that_cannot_be(places, bundle):
    from kerasrecipes.bundles.bundle import BundleFolder
    from kerasrecipes.bundles.export_record import no_exports

    assert no_exports(bundle).endswith("--format tflite --quantization int8")
    assert no_exports(BundleFolder.load(places["model"])).endswith("--format tflite")
