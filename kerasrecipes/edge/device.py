"""Answers on a device, with or without a network; tells of it later; takes new models safely.

python device.py answer photo.jpg …   # answers for photos, and queues what was said
python device.py send                 # sends what is queued; run it by a timer
python device.py update FOLDER        # takes a new model, if it proves itself
python device.py status               # which model answers, and what waits

It needs numpy, Pillow and ai-edge-litert. What it may do stands in device.json. It never sends a
photo. The queue lies in queue.db: what was answered is sent at least once, in order, each with a
number by which the receiver knows what it has; when the queue is full, the oldest are dropped and
counted. No result depends on the clock.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.edge.telemetry import Queue, drain, poster

HERE = Path(__file__).resolve().parent
# A new model that did not get through so many starts gives way to the old one.
MOST_STARTS = 2
LARGEST_FILE = 1 << 30


def is_chosen(device: str, release: str, percent: float) -> bool:
    """Tell whether a device takes part in a release to some of all; more percent only add to it.

    Args:
        device: Its name.
        release: What tells the release from others.
        percent: How many of a hundred devices are to take it.
    """
    digits = hashlib.sha256(f"{release}\n{device}".encode()).hexdigest()[:8]
    return int(digits, 16) / 2**32 < percent / 100


class DeviceModel:
    """The model of one slot, in LiteRT, on the CPU.

    Args:
        folder: The slot.
    """

    def __init__(self, folder: Path):
        from ai_edge_litert.interpreter import Interpreter

        self.folder = folder
        self.facts = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        self.labels = (folder / "labels.txt").read_text(encoding="utf-8").splitlines()
        path = str(folder / "model.tflite")
        self._interpreter = Interpreter(model_path=path, num_threads=self.facts["threads"])
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]

    def read_photo(self, path: Path) -> np.ndarray:
        """Return a photo upright, in the model's channels, at its size."""
        from PIL import Image, ImageOps

        with Image.open(path) as opened:
            photo: Image.Image = ImageOps.exif_transpose(opened)
            if photo.mode.startswith(("I", "F")):
                raise ValueError("it has more than 8 bits per colour")
            if photo.has_transparency_data:
                below = Image.new("RGBA", photo.size, (*self.facts["background"], 255))
                photo = Image.alpha_composite(below, photo.convert("RGBA"))
            how = Image.Resampling[self.facts["interpolation"].upper()]
            size = (self.facts["width"], self.facts["height"])
            photo = photo.convert("RGB")
            if self.facts.get("channels") == 1:
                return np.asarray(photo.convert("L").resize(size, how))[..., None]
            return np.asarray(photo.resize(size, how))

    def scores(self, photo: np.ndarray) -> np.ndarray:
        """Return the answer to one photo of `read_photo`."""
        self._interpreter.set_tensor(self._input, photo[None])
        self._interpreter.invoke()
        found: np.ndarray = self._interpreter.get_tensor(self._output)[0]
        return found

    def said(self, scores: np.ndarray) -> dict[str, Any]:
        """Return an answer as it is queued."""
        told: dict[str, Any] = {"answer": [float(one) for one in scores]}
        task, limits = self.facts["task"], self.facts["thresholds"]
        if task == "regression":
            return {**told, "number": float(scores[0])}
        best = int(scores.argmax())
        if task == "ordinal":
            below = np.cumsum(scores, dtype=float)
            best = int((below < below[-1] / 2).sum())
        told |= {"label": self.labels[best], "confidence": float(scores[best])}
        if task == "multi_label":
            given = [i for i in np.argsort(-scores, kind="stable") if scores[i] >= limits[i]]
            lowest = min((float(scores[i]) for i in given), default=0.0)
            told |= {"label": ", ".join(self.labels[i] for i in given), "confidence": lowest}
        if alarm := self.facts["alarm"]:
            total = sum(float(scores[line - 1]) for line in alarm["lines"])
            told["alarm"] = total >= alarm["threshold"]
        return told

    def failures(self) -> list[str]:
        """Check the golden photos, and say what differs."""
        found = []
        golden = self.folder / "golden"
        for line in (golden / "golden.txt").read_text().splitlines():
            name, *expected = line.split()
            scores = self.scores(self.read_photo(golden / name))
            gap = float(np.abs(scores - np.array(expected, np.float32)).max())
            if not gap <= self.facts["tolerance"]:
                found.append(f"golden {name}: the largest gap is {gap:.2g}")
        return found


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write a file that is whole or as it was, also after a power cut."""
    new = path.with_suffix(".new")
    with new.open("w", encoding="utf-8") as file:
        json.dump(values, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
    sync(path.parent)


def sync(folder: Path) -> None:
    """Force a folder onto the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Slots:
    """Two places for models, one of which answers.

    Args:
        root: The folder of this device.
        prove: Says of a slot what is wrong with its model; empty if nothing is.
    """

    def __init__(self, root: Path, prove: Callable[[Path], str]):
        self._root, self._prove = root, prove
        self._path = root / "state.json"

    @property
    def state(self) -> dict[str, Any]:
        """Which slot answers, whether its model has proven itself, and how often it began."""
        if not self._path.exists():
            return {"slot": "a", "proven": False, "starts": 0, "fallback": None}
        try:
            found: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
            slots = {found["slot"], found["fallback"] or "a", "a", "b"}
            if len(slots) == 2 and {type(found["proven"]), type(found["starts"])} == {bool, int}:
                return found
        except (ValueError, TypeError, KeyError, RecursionError):
            pass
        print(f"{self._path.name} is damaged: the newest model proves itself anew", file=sys.stderr)
        made = {slot: self.folder(slot) / "model.json" for slot in "ab"}
        there = [slot for slot, path in made.items() if path.is_file()]
        newest, *others = sorted(there, key=lambda slot: -made[slot].stat().st_mtime) or ["a"]
        return {"slot": newest, "proven": False, "starts": 0, "fallback": (*others, None)[0]}

    def folder(self, slot: str) -> Path:
        """Return where a slot lies."""
        return self._root / "slots" / slot

    def start(self) -> Path:
        """Return the slot that answers; a model that does not prove itself gives way."""
        state = self.state
        if state["proven"]:
            return self.folder(state["slot"])
        # Written before the model is opened: it may end this process, or the whole device.
        state["starts"] += 1
        write_json(self._path, state)
        wrong = "it did not get through its starts" if state["starts"] > MOST_STARTS else ""
        wrong = wrong or self._prove(self.folder(state["slot"]))
        if not wrong:
            write_json(self._path, {**state, "proven": True})
            return self.folder(state["slot"])
        back = state["fallback"]
        if back is None:
            raise OSError(f"the only model of this device cannot be used: {wrong}")
        told = {"slot": back, "proven": True, "starts": 0, "fallback": None}
        write_json(self._path, {**told, "refused": wrong})
        return self.folder(back)

    def update(self, source: Path, device: str) -> str:
        """Take a new model into the slot that does not answer, and let it answer.

        Args:
            source: A folder such as a slot, e.g. from a stick or a download.
            device: Name of this device.

        Returns:
            What was done, in a few words.
        """
        content = (source / "model.json").read_bytes()
        facts, release = json.loads(content), hashlib.sha256(content).hexdigest()
        now = self.start()
        if (now / "model.json").read_bytes() == content:
            return "this model answers already"
        if not is_chosen(device, release, facts["rollout_percent"]):
            return f"not among the {facts['rollout_percent']:g} % of devices that take it yet"
        slot = "b" if now.name == "a" else "a"
        new = self._root / "slots" / f"{slot}.new"
        shutil.rmtree(new, ignore_errors=True)
        copy_checked(source, new, content, facts["files"])
        shutil.rmtree(self.folder(slot), ignore_errors=True)
        os.replace(new, self.folder(slot))
        sync(new.parent)
        if wrong := self._prove(self.folder(slot)):
            return f"refused: {wrong}"
        state = {"slot": slot, "proven": False, "starts": 0, "fallback": now.name}
        write_json(self._path, state)
        return f"{facts['bundle']} {facts['version']} answers from now on, in slot {slot}"


def copy_checked(source: Path, to: Path, content: bytes, files: dict[str, str]) -> None:
    """Copy what a model states, each file if it has its digest, and nothing else."""
    to.mkdir(parents=True)
    (to / "model.json").write_bytes(content)
    for name, digest in files.items():
        path = source / name
        if path.resolve() != source.resolve() / name or path.stat().st_size > LARGEST_FILE:
            raise OSError(f"'{name}' leads elsewhere, or is too large")
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != digest:
            raise OSError(f"'{name}' is not what the model states")
        (to / name).parent.mkdir(exist_ok=True)
        with (to / name).open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def prove_apart(folder: Path) -> str:
    """Check the golden photos in a process of its own, which may crash or hang."""
    command = [sys.executable, __file__, "prove", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    except subprocess.TimeoutExpired:
        return "its golden photos took more than five minutes"
    last = (done.stdout + done.stderr).strip().splitlines()[-1:]
    return "" if done.returncode == 0 else f"its golden photos: {' '.join(last)[:200]}"


def answer(root: Path, device: dict[str, Any], photos: list[str]) -> int:
    """Answer for photos, and queue what was said; one that cannot be read stops no other."""
    slots, queue = Slots(root, prove_apart), Queue(root / "queue.db", device["most_waiting"])
    model, failed = DeviceModel(slots.start()), 0
    facts = model.facts
    about = {"bundle": facts["bundle"], "version": facts["version"], "digest": facts["digest"]}
    for photo in photos:
        began, entry = time.monotonic(), {"request_id": uuid.uuid4().hex, "at": time.time()}
        try:
            told = model.said(model.scores(model.read_photo(Path(photo))))
        except (OSError, ValueError) as error:
            told, failed = {"error": "cannot be read"}, 1
            print(f"{photo}: {error}", file=sys.stderr)
        waited = 1000 * (time.monotonic() - began)
        queue.put({**entry, **about, **told, "latency_ms": round(waited, 3)})
        if "error" not in told:
            shown = told.get("label", told.get("number"))
            print(f"{told.get('confidence', 1.0):6.1%}  {shown}  {photo}")
    queue.close()
    return failed


def main(arguments: list[str]) -> int:
    """Do what was asked, and return the exit code."""
    command, *rest = arguments or [""]
    if command == "prove" and len(rest) == 1:
        wrong = DeviceModel(Path(rest[0])).failures()
        print("; ".join(wrong) or "as verified")
        return 3 if wrong else 0
    device = json.loads((HERE / "device.json").read_text(encoding="utf-8"))
    if command == "answer" and rest:
        return answer(HERE, device, rest)
    queue, slots = Queue(HERE / "queue.db", device["most_waiting"]), Slots(HERE, prove_apart)
    if command == "send" and device["collector"]:
        token = os.environ.get(device["token_from"], "")
        try:
            sent = drain(queue, poster(device["collector"], device["name"], token))
        except OSError as error:
            print(f"{queue.waiting} wait for the next time: {error}", file=sys.stderr)
            return 1
        print(f"{sent} sent")
    elif command == "update" and len(rest) == 1:
        told = slots.update(Path(rest[0]), device["name"])
        print(told)
        return 3 if told.startswith("refused") else 0
    elif command == "status":
        counts = {"waiting": queue.waiting, "dropped": queue.dropped}
        print(json.dumps({"state": slots.state, **counts}, indent=2))
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
