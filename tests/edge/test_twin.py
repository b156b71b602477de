"""The twin in C++: it answers, queues, sends and updates as the Python file of a device does."""

import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from PIL import Image

import kerasrecipes as kr
from kerasrecipes.edge.collecting import Collector
from kerasrecipes.edge.device import DeviceModel
from kerasrecipes.edge.slots import Slots, is_chosen
from kerasrecipes.edge.telemetry import Queue
from kerasrecipes.files import digest
from kerasrecipes.signing.keys import pem_of, signature_of
from power_cut import check_power_cut
from starters import build, has_headers, run

TOKEN = 'a token "of" many signs'
PROBE = r"""
#include <cstdio>
#include <iostream>
#include "photos.h"
#include "queue.h"
#include "slots.h"
int main(int, char** words) {
  if (*words[1] == 'c') {  // chosen RELEASE PERCENT, and names of devices
    for (std::string name; std::getline(std::cin, name);) {
      std::printf("%d\n", IsChosen(name, words[2], std::stod(words[3])));
    }
    return 0;
  }
  if (*words[1] == 'p') {  // photo PATH
    const Photo photo = ReadPhoto(words[2], {200, 100, 0});
    std::printf("%d %d\n", photo.height, photo.width);
    std::fwrite(photo.pixels.data(), 1, photo.pixels.size(), stdout);
    return 0;
  }
  Queue queue(words[2], std::stoll(words[3]));  // queue PATH MOST COUNT PREFIX
  for (int i = 0; i < std::stoi(words[4]); ++i) {
    queue.Put(JsonObject().Add("request_id", words[5] + std::to_string(i)));
    std::printf("%d\n", i);
    std::fflush(stdout);
  }
}
"""


@pytest.fixture(scope="module")
def built(exported_once, tmp_path_factory):
    """A folder of a device, not to be changed, with its twin and a program that uses its parts."""
    if not has_headers("sqlite3.h", "openssl/evp.h"):
        pytest.skip("There is no g++, or it has no headers of sqlite and OpenSSL here.")
    folder = tmp_path_factory.mktemp("edge") / "device"
    kr.write_edge(
        exported_once, folder, name="d1", export="tflite-float32", smaller="tflite-int8",
        slow_ms=1e5, temperature="/sys/none", hot_celsius=60.0,
    )  # fmt: skip
    limits = json.loads((folder / "device.json").read_text())["smaller"]
    rewrite(folder / "device.json", smaller={**limits, "hot_celsius": None})
    cpp, photos = folder / "cpp", ()
    if has_headers("cstdio", "jpeglib.h", "png.h"):
        photos = ("-DWITH_JPEG", "-DWITH_PNG", "-ljpeg", "-lpng")
    libraries = (*photos, "-lsqlite3", "-lcrypto")
    build(cpp, "../device", [path.name for path in cpp.glob("*.cc")], libraries)
    (cpp / "probe.cc").write_text(PROBE)
    parts = ("probe.cc", "photo_classifier.cc", "photos.cc", "queue.cc", "slots.cc", "sql.cc")
    build(cpp, "../probe", parts, libraries)
    return folder


@pytest.fixture
def device(built, tmp_path):
    return Path(shutil.copytree(built, tmp_path / "device"))


def twin(folder: Path, *arguments, rc: int = 0, **more) -> str:
    """Run the program of a device, and return what it says but for LiteRT's own lines."""
    command = [folder / "device", *map(str, arguments)]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, **more)
    assert done.returncode == rc, done.stdout + done.stderr
    noise = ("INFO: ", "WARNING: ")
    told = (done.stdout + done.stderr).splitlines()
    return "\n".join(line for line in told if not line.startswith(noise))


def rewrite(path: Path, **changes) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


TASKS = (
    {"task": "classification", "interpolation": "bicubic"},
    {"task": "classification", "alarm": {"lines": [1, 3], "threshold": 0.4}},
    {"task": "ordinal"},
    {"task": "multi_label", "thresholds": [0.2, 0.1, 0.9999]},
    {"task": "regression"},
)


def test_both_answer_alike_and_queue_the_same(device, tmp_path):
    rng = np.random.default_rng(7)
    paths = [tmp_path / f"{i}.ppm" for i in range(6)]
    for path in paths:
        pixels = rng.integers(0, 256, (rng.integers(20, 90), rng.integers(20, 90), 3))
        Image.fromarray((pixels * [1, 0.6, 0.3]).astype(np.uint8)).save(path)
    (tmp_path / "broken.ppm").write_bytes(b"P6 32000 32000 255\n0")
    twin(device, "answer", paths[0])
    slot = device / "slots" / "a"
    for changes in TASKS:
        rewrite(slot / "model.json", **changes)
        (device / "queue.db").unlink()
        said = twin(device, "answer", *paths, tmp_path / "broken.ppm", rc=1)
        assert said.count("%  ") == 6 and "'" + str(tmp_path / "broken.ppm") in said
        model = DeviceModel(slot)
        rows = [entry for _, entry in Queue(device / "queue.db").batch()["lines"]]
        for path, found in zip(paths, rows, strict=False):
            expected = model.said(model.scores(model.read_photo(path)))
            assert found["answer"] == pytest.approx(expected.pop("answer"), abs=2e-3)
            for name in ("confidence", "number"):
                if name in expected:
                    assert found[name] == pytest.approx(expected.pop(name), abs=2e-3)
            assert {name: found[name] for name in expected} == expected
            kr.JournalEntry(**found)
        last = kr.JournalEntry(**rows[6])
        assert last.error == "cannot be read" and last.digest == model.facts["digest"]
    assert len({entry["request_id"] for entry in rows}) == 7


def photo_files(folder: Path) -> list[Path]:
    """Photos of many kinds, all of 40 × 29 pixels."""
    rng = np.random.default_rng(3)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 4), np.uint8), "RGBA").resize((40, 29))
    colour = coarse.convert("RGB")
    clear = colour.convert("P", colors=9)
    clear.info["transparency"] = 3
    found = []

    def keep(photo, end, **how):
        found.append(folder / f"{len(found)}.{end}")
        photo.save(found[-1], **how)

    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        keep(colour, "jpg", quality=80, exif=exif)
        keep(coarse, "png", exif=exif)
    keep(colour.convert("L"), "jpg")
    keep(colour, "jpg", progressive=True, subsampling=0)
    for mode in ("RGB", "L", "LA", "1"):
        keep(coarse.convert(mode), "png")
    keep(clear, "png")
    return found


def test_photos_of_all_kinds_are_read_as_in_python(device, tmp_path):
    if not has_headers("cstdio", "jpeglib.h", "png.h"):
        pytest.skip("There are no headers of libjpeg and libpng here.")
    reader = object.__new__(DeviceModel)
    reader.facts = {"background": (200, 100, 0), "interpolation": "bilinear"}
    files = photo_files(tmp_path)
    assert len(files) == 23
    for path in files:
        done = subprocess.run([device / "probe", "photo", path], capture_output=True, check=True)
        size, _, pixels = done.stdout.partition(b"\n")
        height, width = map(int, size.split())
        reader.facts |= {"height": height, "width": width}
        expected = reader.read_photo(path)
        found = np.frombuffer(pixels, np.uint8).reshape(height, width, 3)
        assert {height, width} == {40, 29} == set(Image.open(path).size)
        # Of JPEG, Pillow may have another libjpeg.
        gap = np.abs(found.astype(int) - expected).max()
        assert gap <= (1 if path.suffix == ".jpg" else 0), (path, gap)


def damaged_photos(folder: Path) -> dict[str, Path]:
    """Photos that nobody should read, by what is said of them."""
    whole = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8))
    paths = [folder / name for name in ("a.jpg", "b.png", "c.jpg", "d.png", "e.png", "f.jpg")]
    whole.save(paths[0])
    whole.save(paths[1])
    for path in paths[:2]:
        path.write_bytes(path.read_bytes()[:-400])
    whole.convert("CMYK").save(paths[2])
    Image.fromarray(np.ones((4, 4), np.uint16)).save(paths[3])
    whole.save(paths[4])
    content = bytearray(paths[4].read_bytes())
    content[16:24] = b"\0\0\xff\xff" * 2  # its size, with the checksum of that
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    paths[4].write_bytes(content)
    paths[5].write_bytes(b"\xff\xd8" + b"\xff\xd9")
    reasons = ("Premature end", "too early", "CMYK", "than 8 bits", "65535 x 65535", "no image")
    return dict(zip(reasons, paths, strict=True))


def test_photos_that_cannot_be_read_say_why(device, tmp_path):
    if not has_headers("cstdio", "jpeglib.h", "png.h"):
        pytest.skip("There are no headers of libjpeg and libpng here.")
    for reason, path in damaged_photos(tmp_path).items():
        said = twin(device, "answer", path, rc=1)
        assert f"'{path}' cannot be read: " in said and reason in said, said
    (tmp_path / "x.ppm").write_bytes(b"GIF89a")
    assert "is not a binary PPM photo" in twin(device, "answer", tmp_path / "x.ppm", rc=1)


def test_without_their_libraries_other_photos_are_refused(device, tmp_path):
    cpp = device / "cpp"
    parts = ("probe.cc", "photo_classifier.cc", "photos.cc", "queue.cc", "slots.cc", "sql.cc")
    build(cpp, "../without", parts, ("-lsqlite3", "-lcrypto"))
    for end, library in (("jpg", "libjpeg"), ("png", "libpng")):
        Image.new("RGB", (9, 9)).save(tmp_path / f"x.{end}")
        done = run([device / "without", "photo", tmp_path / f"x.{end}"], tmp_path)
        assert done.returncode and f"was built without {library}" in done.stderr


def test_the_smaller_model_answers_while_it_is_hot_or_slow_in_both(device, tmp_path):
    models = [DeviceModel(device / "slots" / "a", smaller) for smaller in (False, True)]
    rng, photo, apart = np.random.default_rng(0), tmp_path / "x.ppm", 0.0
    while apart < 0.01:  # what both tell apart
        pixels = rng.integers(60, 160, 3) + rng.integers(-40, 40, (32, 32, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(photo)
        usual, smaller = (model.scores(model.read_photo(photo)) for model in models)
        apart = float(np.abs(usual - smaller).max())

    def told(program) -> tuple[str, dict]:
        done = subprocess.run([*program, "answer", photo], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        entry = Queue(device / "queue.db").batch()["lines"][-1][1]
        expected = smaller if entry.get("degraded") else usual
        assert entry["answer"] == pytest.approx(expected.tolist(), abs=apart / 3)
        kr.JournalEntry(**entry)
        return done.stderr, entry

    limits = json.loads((device / "device.json").read_text())["smaller"]
    limits |= {"hot_celsius": 60.0, "temperature": str(device / "celsius")}
    rewrite(device / "device.json", smaller=limits)
    programs = ([device / "device"], [sys.executable, device / "device.py"])
    for ours, other in (programs, programs[::-1]):
        (device / "celsius").write_text("20000\n")
        told(ours)
        (device / "celsius").write_text("60000\n")
        assert told(ours)[1]["degraded"] == "hot"
        (device / "celsius").write_text("56000\n")
        assert told(other)[1]["degraded"] == "hot"
        (device / "celsius").unlink()
        said, entry = told(ours)
        assert entry["degraded"] == "hot" and "nothing tells how warm it is" in said
        (device / "celsius").write_text("54000\n")
        said, entry = told(ours)
        assert "degraded" not in entry and "from now on the usual one again" in said
    rewrite(device / "device.json", smaller={**limits, "slow_ms": 1e-6})
    for program in (*programs, programs[0]):
        assert "degraded" not in told(program)[1]
    assert told(programs[1])[1]["degraded"] == "slow"
    state = json.loads(twin(device, "status"))["smaller"]
    assert state == {"why": "slow", "count": 1, "wait": 20, "switched": 3}
    status = subprocess.run([*programs[1], "status"], capture_output=True, text=True)
    assert json.loads(status.stdout)["smaller"] == state
    with sqlite3.connect(device / "queue.db") as sql:
        told_of = json.dumps({**state, "count": 19})
        sql.execute("UPDATE about SET value = ? WHERE name = 'sparing'", (told_of,))
    assert told(programs[0])[1]["degraded"] == "slow" and "degraded" not in told(programs[1])[1]
    for program in programs:  # a limit that was taken away holds nobody
        with sqlite3.connect(device / "queue.db") as sql:
            sql.execute("UPDATE about SET value = ? WHERE name = 'sparing'", (told_of,))
        rewrite(device / "device.json", smaller={**limits, "slow_ms": None})
        assert "degraded" not in told(program)[1]
    (device / "slots" / "a" / "golden" / "smaller.txt").write_text("0.ppm 0.1 0.1 0.8\n")
    assert "the largest gap is" in twin(device, "prove", device / "slots" / "a", rc=3)


def test_the_same_devices_are_chosen(device):
    names = [f"Gerät {i}" for i in range(500)]
    for percent in (0, 12.5, 60, 100):
        command = [device / "probe", "chosen", "r" * 64, str(percent)]
        done = subprocess.run(command, input="\n".join(names), capture_output=True, text=True)
        found = [line == "1" for line in done.stdout.splitlines()]
        assert found == [is_chosen(name, "r" * 64, percent) for name in names]


def test_the_queue_samples_drops_and_counts_as_the_other(device, tmp_path):
    run([device / "probe", "queue", tmp_path / "c.db", 20, 300, "n"], tmp_path)
    ours, theirs = Queue(":memory:", most=20), Queue(tmp_path / "c.db", most=20)
    for i in range(300):
        ours.put({"request_id": f"n{i}"})
    assert theirs.batch()["lines"] == ours.batch()["lines"]
    assert (theirs.dropped, theirs.waiting) == (ours.dropped, ours.waiting)
    # What may have arrived before it was dropped is told apart.
    for queue in (ours, theirs):
        queue.batch(5)
    theirs.close()
    run([device / "probe", "queue", tmp_path / "c.db", 20, 60, "m"], tmp_path)
    for i in range(60):
        ours.put({"request_id": f"m{i}"})
    theirs = Queue(tmp_path / "c.db", most=20)
    assert theirs.batch() == {**ours.batch(), "queue": theirs.id} and theirs.doubted == ours.doubted
    assert ours.doubted > 5 and ours.dropped > 100 and len(theirs.id) == len(ours.id)


def test_a_power_cut_loses_nothing_that_was_queued(device, tmp_path):
    command = [device / "probe", "queue", tmp_path / "q.db", "100000", "100000", ""]
    check_power_cut(command, tmp_path / "q.db")


PUT = """
import sys
from kerasrecipes.edge.telemetry import Queue
queue = Queue(sys.argv[1])
for i in range(15):
    queue.put({"request_id": sys.argv[2] + str(i)})
"""


def test_both_fill_one_queue_at_once_and_what_either_sends_is_taken_once(device, tmp_path):
    path = device / "queue.db"
    writers = [
        *([device / "probe", "queue", path, "20000", "15", f"c{k}-"] for k in range(3)),
        *([sys.executable, "-c", PUT, path, f"p{k}-"] for k in range(2)),
    ]
    children = [subprocess.Popen(one, stdout=subprocess.DEVNULL) for one in writers]
    assert [child.wait() for child in children] == [0] * 5
    twin(device, "answer", device / "slots" / "a" / "golden" / "2.ppm")
    with kr.Journal(tmp_path / "journal.db") as journal:
        collector = Collector(journal, TOKEN)
        threading.Thread(target=collector.serve, daemon=True).start()
        rewrite(device / "device.json", collector=collector.address)
        refused = twin(device, "send", rc=1, env={**os.environ, "COLLECT_TOKEN": "another"})
        assert refused.startswith("76 wait for the next time: curl:") and "401" in refused
        known = {**os.environ, "COLLECT_TOKEN": TOKEN}
        # What it was not told that it arrived is sent again, and taken once.
        collector.take(json.dumps({"device": "d1", **Queue(path).batch(9)}).encode())
        # Two make room meanwhile, of which one had arrived.
        with sqlite3.connect(path) as sql:
            sql.execute("INSERT INTO doubted VALUES (1, 1), (10, 1)")
            sql.execute("DELETE FROM waiting WHERE number IN (1, 10)")
        assert twin(device, "send", env=known) == "74 sent"
        assert journal.counts().dropped_at_sources == 1
        assert twin(device, "send", env=known) == "0 sent"
        Queue(path).put({"request_id": "last"})
        command = [sys.executable, device / "device.py", "send"]
        done = subprocess.run(command, capture_output=True, text=True, env=known)
        assert done.stdout == "1 sent\n", done.stderr
        collector.close()
        entries = [line.entry for line in journal.lines()]
    ids = [entry.request_id for entry in entries]
    assert len(ids) == len({*ids}) == 76 and "c2-14" in ids and "p1-14" in ids
    assert "rød\\n1" in {entry.label for entry in entries}
    told = json.loads(twin(device, "status"))
    assert told["waiting"] == told["dropped"] == told["doubted"] == 0 and told["state"]["proven"]


def other_model(device: Path, to: Path, **changes) -> Path:
    """A folder of a device with another model; with what its model.json says."""
    shutil.copytree(device, to)
    (to / "state.json").unlink(missing_ok=True)
    rewrite(to / "slots" / "a" / "model.json", version=2, **changes)
    return to


def test_a_new_model_is_taken_and_gives_way_as_in_the_other(device, tmp_path):
    photo = device / "slots" / "a" / "golden" / "0.ppm"
    new = other_model(device, tmp_path / "new")
    assert twin(device, "answer", photo) == f"100.0%  blue  {photo}"
    held = twin(device, "update", other_model(device, tmp_path / "few", rollout_percent=0))
    assert held == "not among the 0 % of devices that take it yet"
    assert twin(device, "update", new) == "colours 2 answers from now on, in slot b"
    slots = Slots(device, lambda _: "not to be asked")
    assert slots.state == {"slot": "b", "proven": False, "starts": 0, "fallback": "a"}
    # At once, where each counts as a start of a model that has not proven itself.
    command = [device / "device", "answer", photo]
    at_once = [subprocess.Popen(command, stdout=-3, stderr=-3) for _ in range(4)]
    assert [child.wait() for child in at_once] == [0] * 4
    assert slots.state == {"slot": "b", "proven": True, "starts": 1, "fallback": "a"}
    assert twin(device, "update", new / "slots" / "a") == "this model answers already"

    bad = other_model(device, tmp_path / "bad", tolerance=-1)
    assert twin(device, "update", bad, rc=3).startswith("refused: its golden photos: golden 0.ppm")
    assert slots.start().name == "b"
    changed = other_model(device, tmp_path / "changed", bundle="changed")
    (changed / "slots" / "a" / "labels.txt").write_text("a\nb\nc\n")
    assert "'labels.txt' is not what" in twin(device, "update", changed, rc=1)
    outside = tmp_path / "outside"
    outside.write_text("secret")
    for name in ("../../../outside", str(outside), "link"):
        lost = other_model(device, tmp_path / f"lost {len(name)}", files={name: digest(outside)})
        (lost / "slots" / "a" / "link").symlink_to(outside)
        assert "leads elsewhere" in twin(device, "update", lost, rc=1)
    assert not list((device / "slots").glob("*.new")) and outside.read_text() == "secret"


def test_signatures_count_as_in_the_other(device, exported_once, tmp_path):
    names = {"own": Ed25519PrivateKey.generate(), "other": ec.generate_private_key(ec.SECP256R1())}
    rewrite(device / "device.json", update_key=pem_of(names["own"].public_key()))
    new = other_model(device, tmp_path / "new")
    stated, signature = new / "slots" / "a" / "model.json", new / "slots" / "a" / "model.sig"
    assert twin(device, "update", new, rc=3).startswith("refused: it has no model.sig")
    wrong = "refused: it is not signed by the key of this device"
    for content in (signature_of(names["own"], b"another"), signature_of(names["other"], b"")):
        signature.write_bytes(content)
        assert twin(device, "update", new, rc=3) == wrong
    for name, key in names.items():
        rewrite(device / "device.json", update_key=pem_of(key.public_key()))
        rewrite(stated, bundle=name)
        signature.write_bytes(signature_of(key, stated.read_bytes()))
        assert twin(device, "update", new).startswith(f"{name} 2 answers from now on")
    rewrite(device / "device.json", update_key="none")
    assert twin(device, "update", new, rc=3).endswith("the key of this device is none in PEM")

    (tmp_path / "key.pem").write_bytes(
        names["own"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    kr.write_edge(exported_once, tmp_path / "signed", key=tmp_path / "key.pem")
    shutil.copy(tmp_path / "signed" / "device.json", device)
    assert twin(device, "update", tmp_path / "signed").startswith("colours 1 answers from now on")
    assert (device / "slots" / "b" / "model.sig").read_bytes()


def test_a_model_that_fails_later_gives_way(device, tmp_path):
    photo = device / "slots" / "a" / "golden" / "0.ppm"
    state, new = device / "state.json", other_model(device, tmp_path / "new")
    slots = Slots(device, lambda _: "not to be asked")
    twin(device, "update", new)
    rewrite(state, starts=2)
    twin(device, "answer", photo)
    assert slots.state["slot"] == "a" and "through its starts" in slots.state["refused"]
    twin(device, "update", new)
    twin(device, "answer", photo)
    (device / "slots" / "b" / "model.tflite").write_bytes(b"TFL3" * 100)
    assert "blue" in twin(device, "answer", photo)
    assert slots.state["slot"] == "a" and "'model.tflite' is not" in slots.state["refused"]
    twin(device, "update", new)
    state.write_text("[" * 5000)
    os.utime(device / "slots" / "a" / "model.json", (1, 1))
    assert "state.json is damaged" in twin(device, "answer", photo)
    assert slots.start().name == "b" and slots.state["proven"]
    (device / "slots" / "b" / "labels.txt").write_text("")
    (device / "slots" / "a" / "labels.txt").write_text("")
    told = twin(device, "answer", photo, rc=1)
    assert "the only model of this device cannot be used: its golden photos" in told


def full_disk():
    """What is written to files from now on fails."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def test_a_full_disk_or_a_damaged_queue_stops_no_answers(device, tmp_path):
    golden = device / "slots" / "a" / "golden"
    twin(device, "update", other_model(device, tmp_path / "new"))
    state = (device / "state.json").read_text()
    said = twin(device, "answer", golden / "0.ppm", preexec_fn=full_disk)
    assert "state.json cannot be written" in said and "blue" in said
    assert (device / "state.json").read_text() == state
    twin(device, "answer", golden / "0.ppm")
    (device / "queue.db").unlink()
    said = twin(device, "answer", golden / "0.ppm", golden / "1.ppm", preexec_fn=full_disk)
    assert said.count("not queued: ") == 2 and "blue" in said and "green" in said
    twin(device, "answer", golden / "0.ppm")
    content = bytearray((device / "queue.db").read_bytes())
    content[4096:] = random.Random(1).randbytes(len(content) - 4096)
    (device / "queue.db").write_bytes(content)
    said = twin(device, "answer", golden / "0.ppm", golden / "1.ppm")
    assert "is set aside, and begun anew" in said and "not queued" not in said
    assert Queue(device / "queue.db").waiting == 2 and (device / "queue.db.damaged").exists()


def test_it_says_what_it_can_do(device):
    made_of = (device / "cpp" / "CMakeLists.txt").read_text()
    names = {one.name for one in (device / "cpp").glob("*.cc")} - {"probe.cc"}
    assert len(names) == 9 and all(f" {name}" in made_of for name in names)
    assert twin(device, rc=2).startswith("device answer photo.ppm …")
    (device / "device.json").unlink()
    assert "device.json' is no file" in twin(device, "status", rc=1)
