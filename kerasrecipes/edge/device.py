"""Answers on a device, with or without a network; tells of it later; takes new models safely.

python device.py answer photo.jpg …   # answers for photos, and queues what was said
python device.py send                 # sends what is queued; run it by a timer
python device.py update FOLDER        # takes a new model, if it proves itself
python device.py status               # which model answers, and what waits

It needs numpy, Pillow and ai-edge-litert. What it may do stands in device.json. It never sends a
photo. The queue lies in queue.db: what was answered is sent at least once, in order, each with a
number by which the receiver knows what it has; when the queue is full, the oldest are dropped and
counted. No result depends on the clock. What cannot be queued, e.g. on a full disk, is answered and
said; a model whose files were damaged gives way to the one before. Where the model has a smaller
file, and device.json says from when on, that one answers while the device is hot or slow.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.edge.slots import Slots
from kerasrecipes.edge.sparing import HOT, Sparing, celsius_of
from kerasrecipes.edge.telemetry import Queue, drain, poster

HERE = Path(__file__).resolve().parent
LONGEST_SENDING = 60  # seconds, of one batch


class DeviceModel:
    """The model of one slot, in LiteRT, on the CPU.

    Args:
        folder: The slot.
        smaller: Whether to take its smaller file, if it has one.
    """

    def __init__(self, folder: Path, smaller: bool = False):
        from ai_edge_litert.interpreter import Interpreter

        self.folder = folder
        self.facts = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        self.has_smaller = bool(self.facts.get("smaller"))
        self.is_smaller = smaller and self.has_smaller
        self.facts |= self.facts["smaller"] if self.is_smaller else {}
        self.labels = (folder / "labels.txt").read_text(encoding="utf-8").splitlines()
        path = str(folder / ("smaller.tflite" if self.is_smaller else "model.tflite"))
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
        if not np.isfinite(scores).all():  # which no receiver takes
            raise ArithmeticError("the model gave no number")
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
        listed = golden / ("smaller.txt" if self.is_smaller else "golden.txt")
        for line in listed.read_text().splitlines():
            name, *expected = line.split()
            scores = self.scores(self.read_photo(golden / name))
            gap = float(np.abs(scores - np.array(expected, np.float32)).max())
            if not gap <= self.facts["tolerance"]:
                found.append(f"golden {name}: the largest gap is {gap:.2g}")
        return found


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
    queue, failed, limits = None, 0, device.get("smaller") or {}
    with suppress(OSError, ValueError, sqlite3.Error):  # which the first answer tells of
        queue = Queue(root / "queue.db", device["most_waiting"])
    sparing = kept_sparing(queue, limits)
    model = opened_model(Slots(root, prove_apart), bool(sparing.why))
    facts = model.facts
    about = {"bundle": facts["bundle"], "version": facts["version"], "digest": facts["digest"]}
    for photo in photos:
        feel(sparing, limits)
        model = suited_model(model, sparing)
        began, entry = time.monotonic(), {"request_id": uuid.uuid4().hex, "at": time.time()}
        if model.is_smaller:
            entry["degraded"] = sparing.why
        try:
            pixels = model.read_photo(Path(photo))
            asked = time.monotonic()
            scores = model.scores(pixels)
            if slow := limits.get("slow_ms"):
                sparing.took(1000 * (time.monotonic() - asked), slow)
            told = model.said(scores)
        except Exception as error:  # a decoder raises what it likes
            said = "no number" if isinstance(error, ArithmeticError) else "cannot be read"
            told, failed = {"error": said}, 1
            print(f"{photo}: {error}", file=sys.stderr)
        waited = 1000 * (time.monotonic() - began)
        if "error" not in told:
            shown = told.get("label", told.get("number"))
            print(f"{told.get('confidence', 1.0):6.1%}  {shown}  {photo}")
        try:
            queue = queue or Queue(root / "queue.db", device["most_waiting"])
            kept = sparing.text() if limits else ""
            queue.put({**entry, **about, **told, "latency_ms": round(waited, 3)}, kept)
        except (OSError, ValueError, sqlite3.Error) as error:
            queue = None
            print(f"not queued: {error}", file=sys.stderr)
    if queue:
        queue.close()
    return failed


def opened_model(slots: Slots, smaller: bool) -> DeviceModel:
    """Open the model that answers; one whose files were damaged gives way."""
    folder = slots.start()
    try:
        return DeviceModel(folder, smaller)
    except Exception:  # a runtime raises what it likes
        if (other := slots.damaged()) is None:
            raise
        return DeviceModel(other, smaller)


def kept_sparing(queue: Queue | None, limits: dict[str, Any]) -> Sparing:
    """Return whether the smaller model answers, as it was before this start."""
    sparing = Sparing.read(queue.sparing if queue and limits else "")
    if not limits.get("hot_celsius" if sparing.why == HOT else "slow_ms"):
        sparing.why = ""  # that limit was taken away
    return sparing


def feel(sparing: Sparing, limits: dict[str, Any]) -> None:
    """Look how warm it is; where nothing tells, all stays as it was."""
    if not (hot := limits.get("hot_celsius")):
        return
    try:
        sparing.felt(celsius_of(limits["temperature"]), hot)
    except (OSError, ValueError) as error:
        print(f"nothing tells how warm it is: {error}", file=sys.stderr)


def suited_model(model: DeviceModel, sparing: Sparing) -> DeviceModel:
    """Return the model that is to answer now, which says so when it takes over."""
    smaller = bool(sparing.why)
    if smaller == model.is_smaller:
        return model
    if not model.has_smaller:
        print(f"it is {sparing.why}, and this model has no smaller file", file=sys.stderr)
        return model
    try:
        other = DeviceModel(model.folder, smaller)
    except Exception as error:  # a runtime raises what it likes
        print(f"the other file of this model cannot be opened: {error}", file=sys.stderr)
        return model
    which = f"the smaller model answers: it is {sparing.why}" if smaller else "the usual one again"
    print(f"from now on {which}", file=sys.stderr)
    return other


def timed(post: Callable[[Any], Any], batch: dict[str, Any]) -> Any:
    """Send a batch; end this process where that does not end. Nothing is lost by it."""
    signal.alarm(LONGEST_SENDING)
    try:
        return post(batch)
    finally:
        signal.alarm(0)


def main(arguments: list[str]) -> int:
    """Do what was asked, and return the exit code."""
    command, *rest = arguments or [""]
    for stream in (sys.stdout, sys.stderr):
        # Names of files may be no text.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        return do_command(command, rest)
    except (OSError, ValueError, LookupError, sqlite3.Error) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1


def do_command(command: str, rest: list[str]) -> int:
    """Do a command, and return the exit code."""
    if command == "prove" and len(rest) == 1:
        models = [DeviceModel(Path(rest[0])), DeviceModel(Path(rest[0]), smaller=True)]
        wrong = [said for one in models[: 1 + models[1].is_smaller] for said in one.failures()]
        print("; ".join(wrong) or "as verified")
        return 3 if wrong else 0
    device = json.loads((HERE / "device.json").read_text(encoding="utf-8"))
    if command == "answer" and rest:
        return answer(HERE, device, rest)
    slots = Slots(HERE, prove_apart)
    if command == "update" and len(rest) == 1:
        told = slots.update(Path(rest[0]), device["name"], device.get("update_key", ""))
        print(told)
        return 3 if told.startswith("refused") else 0
    queue = Queue(HERE / "queue.db", device["most_waiting"])
    if command == "send" and device["collector"]:
        token = os.environ.get(device["token_from"], "")
        try:
            post = poster(device["collector"], device["name"], token)
            sent = drain(queue, lambda batch: timed(post, batch))
        except OSError as error:
            print(f"{queue.waiting} wait for the next time: {error}", file=sys.stderr)
            return 1
        print(f"{sent} sent")
    elif command == "status":
        counts = {one: getattr(queue, one) for one in ("waiting", "dropped", "doubted")}
        shown = {"state": slots.state, **counts}
        if device.get("smaller"):
            shown["smaller"] = vars(Sparing.read(queue.sparing))
        print(json.dumps(shown, indent=2))
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
