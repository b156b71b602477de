"""Two places for models on a device, one of which answers, and how a new one gets there.

It stands alone: its text becomes part of the one file that a device has.
"""

import fcntl
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# A new model that did not get through so many starts gives way to the old one.
MOST_STARTS = 2
LARGEST_FILE, SIGNATURE = 1 << 30, "model.sig"


def is_chosen(device: str, release: str, percent: float) -> bool:
    """Tell whether a device takes part in a release to some of all; more percent only add to it.

    Args:
        device: Its name.
        release: What tells the release from others.
        percent: How many of a hundred devices are to take it.
    """
    digits = hashlib.sha256(f"{release}\n{device}".encode()).hexdigest()[:8]
    return int(digits, 16) / 2**32 < percent / 100


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
        with self._alone():
            return self._start()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes of this device waiting, also its twin in C++."""
        descriptor = os.open(self._root, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _start(self) -> Path:
        state = self.state
        if state["proven"]:  # meanwhile, by another process
            return self.folder(state["slot"])
        # Written before the model is opened: it may end this process, or the whole device.
        state["starts"] += 1
        try:
            write_json(self._path, state)
        except OSError as error:
            # Nobody would know of a start that ends the device: until then the old model answers.
            print(f"{self._path.name} cannot be written: {error}", file=sys.stderr)
            return self.folder(state["fallback"] or state["slot"])
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

    def damaged(self) -> Path | None:
        """Return the slot that answers in place of one whose files are no longer what they were.

        Returns:
            `None` if the files of the slot that answers are whole.
        """
        with self._alone():
            state = self.state
            now = self.folder(state["slot"])
            if not (wrong := changed_in(now)):
                return None
            if (back := state["fallback"]) is None:
                raise OSError(f"the only model of this device is damaged: {wrong}")
            # It proves itself anew: an update that was refused may have taken its place.
            told = {"slot": back, "proven": False, "starts": 0, "fallback": None}
            write_json(self._path, {**told, "refused": wrong})
            return self._start()

    def update(self, source: Path, device: str, key: str = "") -> str:
        """Take a new model into the slot that does not answer, and let it answer.

        Args:
            source: A folder such as a slot, or that of a device, e.g. from a stick or a download.
            device: Name of this device.
            key: Whose signature a model must have, a public key in PEM; empty for anybody's.

        Returns:
            What was done, in a few words.
        """
        if (slot := source / "slots" / "a").is_dir():
            source = slot
        content = read_file(source / "model.json")
        signature = read_file(source / SIGNATURE) if (source / SIGNATURE).exists() else b""
        if key and (wrong := distrusted(content, signature, key)):
            return f"refused: {wrong}"
        with self._alone():
            return self._update(source, content, signature, device)

    def _update(self, source: Path, content: bytes, signature: bytes, device: str) -> str:
        facts, release = json.loads(content), hashlib.sha256(content).hexdigest()
        now = self._start()
        if (now / "model.json").read_bytes() == content:
            return "this model answers already"
        if not is_chosen(device, release, facts["rollout_percent"]):
            return f"not among the {facts['rollout_percent']:g} % of devices that take it yet"
        slot = "b" if now.name == "a" else "a"
        new = self._root / "slots" / f"{slot}.new"
        shutil.rmtree(new, ignore_errors=True)
        try:
            copy_checked(source, new, content, facts["files"])
            if signature:
                write_file(new / SIGNATURE, signature)
            shutil.rmtree(self.folder(slot), ignore_errors=True)
            os.replace(new, self.folder(slot))
        finally:
            # What did not get through must not fill the disk.
            shutil.rmtree(new, ignore_errors=True)
        sync(new.parent)
        if wrong := self._prove(self.folder(slot)):
            return f"refused: {wrong}"
        state = {"slot": slot, "proven": False, "starts": 0, "fallback": now.name}
        write_json(self._path, state)
        return f"{facts['bundle']} {facts['version']} answers from now on, in slot {slot}"


def distrusted(content: bytes, signature: bytes, key: str) -> str:
    """Say why a model is not to be believed; nothing if what states its files is signed.

    Args:
        content: What states its files, each with its digest.
        signature: Of that.
        key: Whose it should be: Ed25519 or ECDSA on P-256, in PEM.
    """
    if not signature:
        return f"it has no {SIGNATURE}, and this device takes signed models alone"
    try:
        from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    except ImportError:
        return "signatures cannot be checked here; run: pip install cryptography"
    try:
        public = serialization.load_pem_public_key(key.encode())
        if isinstance(public, ed25519.Ed25519PublicKey):
            public.verify(signature, content)
        elif isinstance(public, ec.EllipticCurvePublicKey):
            public.verify(signature, content, ec.ECDSA(hashes.SHA256()))
        else:
            return "the key of this device is of another kind than Ed25519 and ECDSA"
    except InvalidSignature:
        return "it is not signed by the key of this device"
    except (ValueError, UnsupportedAlgorithm):
        return "the key of this device is none in PEM"
    return ""


def read_file(path: Path) -> bytes:
    """Return what a file holds; nothing else is opened, e.g. a pipe, which never ends."""
    if not path.is_file() or path.stat().st_size > LARGEST_FILE:
        raise OSError(f"'{path}' is no file, or too large")
    return path.read_bytes()


def changed_in(folder: Path) -> str:
    """Say which file of a slot is not what its model states; nothing if all are."""
    try:
        for name, digest in json.loads(read_file(folder / "model.json"))["files"].items():
            if hashlib.sha256(read_file(folder / name)).hexdigest() != digest:
                return f"'{name}' is not what the model states"
    except (OSError, ValueError, KeyError) as error:
        return str(error)
    return ""


def copy_checked(source: Path, to: Path, content: bytes, files: dict[str, str]) -> None:
    """Copy what a model states, each file if it has its digest, and nothing else."""
    to.mkdir(parents=True)
    write_file(to / "model.json", content)
    for name, digest in files.items():
        path = source / name
        if Path(name).is_absolute() or path.resolve() != source.resolve() / name:
            raise OSError(f"'{name}' leads elsewhere")
        data = read_file(path)
        if hashlib.sha256(data).hexdigest() != digest:
            raise OSError(f"'{name}' is not what the model states")
        (to / name).parent.mkdir(exist_ok=True)
        write_file(to / name, data)
        sync((to / name).parent)
    sync(to)


def write_file(path: Path, content: bytes) -> None:
    """Write a file onto the disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write a file that is whole or as it was, also after a power cut."""
    new = path.with_suffix(".new")
    write_file(new, json.dumps(values, indent=2).encode())
    os.replace(new, path)
    sync(path.parent)


def sync(folder: Path) -> None:
    """Force a folder onto the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
