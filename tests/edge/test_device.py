"""The one file of a device: what it answers, and how it takes a new model."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import kerasrecipes as kr
from kerasrecipes.edge import device
from kerasrecipes.edge.device import DeviceModel
from kerasrecipes.edge.slots import Slots, is_chosen
from kerasrecipes.edge.telemetry import Queue
from kerasrecipes.edge.writing import device_source
from kerasrecipes.files import digest
from kerasrecipes.signing.keys import pem_of, signature_of


def write_model(folder: Path, name: str, **more) -> Path:
    """Write what looks like a model, without one."""
    folder.mkdir(parents=True)
    (folder / "model.tflite").write_text(name)
    (folder / "golden").mkdir()
    (folder / "golden" / "golden.txt").write_text("")
    files = {one: digest(folder / one) for one in ("model.tflite", "golden/golden.txt")}
    facts = {"bundle": name, "version": 1, "rollout_percent": 100, "files": files}
    (folder / "model.json").write_text(json.dumps({**facts, **more}))
    return folder


@pytest.fixture
def slots(tmp_path):
    """A device with a model; models whose file says "bad" do not prove themselves."""
    write_model(tmp_path / "device" / "slots" / "a", "first")

    def prove(folder: Path) -> str:
        return "it is bad" if "bad" in (folder / "model.tflite").read_text() else ""

    return Slots(tmp_path / "device", prove)


def test_a_new_model_takes_the_other_slot_and_proves_itself(slots, tmp_path):
    assert slots.start().name == "a" and slots.state["proven"]
    new = write_model(tmp_path / "new", "second")
    assert slots.update(new, "d1") == "second 1 answers from now on, in slot b"
    assert not slots.state["proven"]
    assert slots.start().name == "b" and slots.state["proven"]
    assert slots.update(new, "d1") == "this model answers already"
    assert slots.update(write_model(tmp_path / "third", "third"), "d1").endswith("slot a")


DAMAGED = (
    "",
    "null",
    "[]",
    '{"slot": "c"}',
    "[" * 100_000,
    '{"slot": ["a"], "proven": 1}',
    "\0" * 64,
)


@pytest.mark.parametrize("content", DAMAGED)
def test_a_state_that_is_damaged_stops_no_device(slots, tmp_path, content, capsys):
    slots.start()
    slots.update(write_model(tmp_path / "new", "second"), "d1")
    os.utime(slots.folder("a") / "model.json", (1, 1))
    (tmp_path / "device" / "state.json").write_text(content)
    assert slots.start().name == "b" and slots.state["proven"]
    assert "state.json is damaged" in capsys.readouterr().err
    (slots.folder("b") / "model.tflite").write_text("went bad")
    (tmp_path / "device" / "state.json").write_text(content)
    assert slots.start().name == "a"
    assert slots.start().name == "a" and slots.state["refused"] == "it is bad"


def test_a_model_that_does_not_prove_itself_gives_way(slots, tmp_path):
    assert slots.update(write_model(tmp_path / "bad", "bad"), "d1") == "refused: it is bad"
    assert slots.start().name == "a"
    slots.update(write_model(tmp_path / "new", "second"), "d1")
    (slots.folder("b") / "model.tflite").write_text("went bad")
    assert slots.start().name == "a" and slots.state["refused"] == "it is bad"
    assert slots.start().name == "a"


def test_a_model_that_ends_the_device_gives_way_after_two_starts(slots, tmp_path):
    slots.start()
    slots.update(write_model(tmp_path / "new", "second"), "d1")

    def crash(folder: Path) -> str:
        raise KeyboardInterrupt

    crashing = Slots(tmp_path / "device", crash)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            crashing.start()
    assert crashing.start().name == "a"
    assert "did not get through its starts" in slots.state["refused"]


def test_the_only_model_of_a_device_is_not_given_up_in_silence(slots):
    (slots.folder("a") / "model.tflite").write_text("bad")
    with pytest.raises(OSError, match="only model of this device cannot be used: it is bad"):
        slots.start()


def test_processes_that_start_at_once_prove_a_model_once(slots, tmp_path):
    slots.start()
    slots.update(write_model(tmp_path / "new", "second"), "d1")

    def prove(folder: Path) -> str:
        time.sleep(0.05)
        return ""

    with ThreadPoolExecutor(5) as pool:
        starts = [pool.submit(Slots(tmp_path / "device", prove).start) for _ in range(5)]
    assert {start.result().name for start in starts} == {"b"}
    assert slots.state["proven"] and slots.state["starts"] == 1


def test_a_model_whose_files_are_damaged_later_gives_way(slots, tmp_path):
    slots.start()
    slots.update(write_model(tmp_path / "new", "second"), "d1")
    slots.start()
    assert slots.damaged() is None and slots.start().name == "b"
    (slots.folder("b") / "model.tflite").write_text("other bits")
    assert slots.damaged() == slots.start() == slots.folder("a")
    assert "'model.tflite' is not what the model states" in slots.state["refused"]
    (slots.folder("a") / "model.tflite").unlink()
    with pytest.raises(OSError, match="only model of this device is damaged"):
        slots.damaged()


def test_on_a_full_disk_the_old_model_goes_on(slots, tmp_path, monkeypatch, capsys):
    slots.start()
    slots.update(write_model(tmp_path / "new", "second"), "d1")
    with monkeypatch.context() as patch:
        patch.setattr("kerasrecipes.edge.slots.write_file", lambda *_: os.read(-1, 1))
        for _ in range(4):
            assert slots.start().name == "a"
    assert "state.json cannot be written" in capsys.readouterr().err
    assert slots.start().name == "b" and slots.state["proven"]


def test_sending_ends_where_the_receiver_never_does():
    code = "from kerasrecipes.edge import device as d; import time; d.LONGEST_SENDING = 1; "
    command = [sys.executable, "-c", code + "d.timed(time.sleep, 30)"]
    assert subprocess.run(command).returncode == -signal.SIGALRM


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "link"])
def test_an_update_is_what_it_states_and_leads_nowhere_else(slots, tmp_path, name):
    new = write_model(tmp_path / "new", "second")
    (new / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "outside").write_text("secret")
    facts = json.loads((new / "model.json").read_text())
    facts["files"] = {name: digest(tmp_path / "outside")}
    (new / "model.json").write_text(json.dumps(facts))
    with pytest.raises(OSError, match="leads elsewhere|is not what|No such file"):
        slots.update(new, "d1")
    changed = write_model(tmp_path / "changed", "third")
    (changed / "model.tflite").write_text("changed")
    with pytest.raises(OSError, match="'model.tflite' is not what the model states"):
        slots.update(changed, "d1")
    assert slots.start().name == "a" and not list((tmp_path / "device" / "slots").glob("*.new"))


@pytest.mark.parametrize("kind", ["ed25519", "p256"])
def test_a_device_with_a_key_takes_what_that_has_signed_alone(slots, tmp_path, kind, monkeypatch):
    own, other = (
        Ed25519PrivateKey.generate()
        if kind == "ed25519"
        else ec.generate_private_key(ec.SECP256R1())
        for _ in range(2)
    )
    key = pem_of(own.public_key())
    new = write_model(tmp_path / "new", "second")
    content = (new / "model.json").read_bytes()
    assert "it has no model.sig" in slots.update(new, "d1", key)
    (new / "model.sig").write_bytes(signature_of(other, content))
    assert slots.update(new, "d1", key) == "refused: it is not signed by the key of this device"
    (new / "model.sig").write_bytes(signature_of(own, content))
    assert slots.update(new, "d1", key[:60]) == "refused: the key of this device is none in PEM"
    (new / "model.json").write_bytes(content.replace(b"second", b"third!"))
    assert slots.update(new, "d1", key) == "refused: it is not signed by the key of this device"
    (new / "model.json").write_bytes(content)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "cryptography.exceptions", None)
        assert "pip install cryptography" in slots.update(new, "d1", key)
    assert slots.start().name == "a"
    assert slots.update(new, "d1", key).endswith("in slot b") and slots.start().name == "b"
    # The way back is an update like others, and what it is of is known by its signature.
    assert "it has no model.sig" in slots.update(slots.folder("a"), "d1", key)
    assert slots.update(slots.folder("b"), "d1", key) == "this model answers already"


def test_a_rollout_takes_the_share_that_it_says_and_only_grows(slots, tmp_path):
    names = [f"device {i}" for i in range(2000)]
    few, more = ({n for n in names if is_chosen(n, "r", percent)} for percent in (10, 30))
    assert few < more and 150 < len(few) < 250 and 520 < len(more) < 680
    assert few != {n for n in names if is_chosen(n, "another", 10)}
    assert all(is_chosen(n, "r", 100) for n in names) and not any(
        is_chosen(n, "r", 0) for n in names
    )
    new = write_model(tmp_path / "new", "second", rollout_percent=0)
    assert slots.update(new, "d1").startswith("not among the 0 % of devices")


def test_the_one_file_stands_alone():
    text = device_source()
    assert "kerasrecipes." not in text and "class Queue" in text and "class Slots" in text
    compile(text, "device.py", "exec")


def run(folder: Path, *arguments, rc: int = 0) -> str:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, folder / "device.py", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True)
    assert done.returncode == rc, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_device_answers_as_predict_does_and_queues_it(exported_once, tiny, tmp_path):
    folder = kr.write_edge(exported_once, tmp_path / "device", name="d1")
    pixels, _ = tiny.colour_photos(3, seed=61)
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for path, photo in zip(paths, pixels, strict=True):
        path.write_bytes(tiny.png(photo))
    (tmp_path / "broken.png").write_bytes(b"none")
    said = run(folder, "answer", *paths, tmp_path / "broken.png", rc=1)
    expected = kr.Predictor(exported_once).predict(paths)
    lines = Queue(folder / "queue.db").batch()["lines"]
    entries = [kr.JournalEntry(**one) for _, one in lines]
    for found, entry in zip(expected, entries, strict=False):
        # A name in labels.txt is one line.
        assert entry.confidence == pytest.approx(found.score, abs=1e-5) and entry.label
        assert entry.digest == exported_once.sha256 and len(entry.answer) == 3
    assert entries[3].error == "cannot be read" and "broken.png" in said
    told = json.loads(run(folder, "status"))
    assert told["waiting"] == 4 and told["state"]["proven"]
    assert "answers already" in run(folder, "update", folder)
    assert run(folder, "update", tmp_path, rc=1).startswith("OSError: ")
    assert run(folder, "dance", rc=2).startswith("Answers on a device")
    (folder / "slots" / "a" / "golden" / "golden.txt").write_text("0.ppm 0.1 0.1 0.8\n")
    assert "the largest gap is" in run(folder, "prove", folder / "slots" / "a", rc=3)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_fails_beside_the_answers_stops_none(tmp_path, monkeypatch, capsys):
    def read(path: Path) -> np.ndarray:
        if path.name == "b":
            raise SyntaxError("as decoders do")
        return np.zeros(1)

    model = object.__new__(DeviceModel)
    model.facts = {"bundle": "m", "version": 1, "digest": "d", "task": "", "thresholds": []}
    model.read_photo, model.scores = read, lambda photo: photo / 0
    model.is_smaller = model.has_smaller = False
    monkeypatch.setattr(device, "opened_model", lambda *_: model)
    assert device.answer(tmp_path, {"most_waiting": 9}, ["a", "b"]) == 1
    lines = Queue(tmp_path / "queue.db").batch()["lines"]
    assert [one["error"] for _, one in lines] == ["no number", "cannot be read"]
    (tmp_path / "queue.db").unlink()
    (tmp_path / "queue.db").mkdir()
    assert device.answer(tmp_path, {"most_waiting": 9}, ["a", "b"]) == 1
    assert capsys.readouterr().err.count("not queued: unable to open") == 2


def test_what_cannot_be_written_is_refused_before(exported_once, tmp_path):
    with pytest.raises(ValueError, match="`rollout_percent` must be from 0 to 100"):
        kr.write_edge(exported_once, tmp_path / "x", rollout_percent=101.0)
    with pytest.raises(ValueError, match="`name` must have 100 signs at most. Received: 101"):
        kr.write_edge(exported_once, tmp_path / "x", name="n" * 101)
    beside = {"export": "tflite-int8", "smaller": "tflite-float32", "slow_ms": 5.0}
    for changes, message in (
        ({"smaller": None}, "`slow_ms` has no effect without `smaller`"),
        ({"smaller": None, "slow_ms": None, "temperature": "x"}, "`temperature` has no effect"),
        ({"temperature": "x"}, "`temperature` has no effect without `hot_celsius`"),
        ({"export": None}, "`smaller` needs `export`"),
        ({"slow_ms": None}, "`smaller` would never answer"),
        ({"slow_ms": 0.0}, "`slow_ms` must be a number from 0.001 on"),
        ({}, "'tflite-float32' has .* bytes, no fewer than 'tflite-int8'"),
    ):
        with pytest.raises(ValueError, match=message):
            kr.write_edge(exported_once, tmp_path / "x", **{**beside, **changes})
    with pytest.raises(kr.DataError, match="`collector` must be an http"):
        kr.write_edge(exported_once, tmp_path / "x", collector="ftp://x")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(kr.DataError, match="is not empty"):
        kr.write_edge(exported_once, tmp_path)
    assert Path(device.__file__).is_file()
