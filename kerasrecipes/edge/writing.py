"""The folder of a device: one Python file, its twin in C++, a model, and what the device may do."""

import ast
import json
from pathlib import Path

from kerasrecipes.arguments import named
from kerasrecipes.bundles.bundle import BundleFolder
from kerasrecipes.edge import device, slots, telemetry
from kerasrecipes.edge.collecting import LONGEST_NAME
from kerasrecipes.errors import DataError
from kerasrecipes.files import (
    TemporaryFolder,
    check_new_folder,
    digest,
    files_in,
    sync_folder,
    told_plainly,
)
from kerasrecipes.regular import read_regular
from kerasrecipes.release.starter import CLASSIFIER_CPP, write_assets
from kerasrecipes.signing.keys import pem_of, private_key, signature_of

_TWIN = Path(__file__).parent / "twin"
_README = """# A model on a device

In Python:

    pip install numpy pillow ai-edge-litert
    python device.py answer photo.jpg   # answers, with or without a network
    python device.py send               # every few minutes, by a timer
    python device.py update FOLDER      # another folder of this kind, or its slots/a
    python device.py status

In C++17, on Linux: needs CMake, sqlite 3.38 or newer and OpenSSL (`libsqlite3-dev`, `libssl-dev`),
the LiteRT SDK, 2.2 or newer, from https://github.com/google-ai-edge/LiteRT/releases, and, to send,
the program `curl`:

    cmake -S cpp -B build -DLITERT_SDK=/path/to/litert && cmake --build build
    ./device answer photo.ppm           # and send, update and status, as above

Both may run here, also at once: they share the model, the queue and all rules. In C++, photos are
read from PPM files, upright, 8 bits for each of red, green and blue
(`convert photo.jpg -auto-orient photo.ppm`); where a camera gives pixels, fill a `Photo` from it.

`device.json`: `name` must differ from device to device; `collector` is the address of a receiver,
`kerasrecipes collect` on some machine; `token_from` names the environment variable with the token
that it asks for; `most_waiting` bounds the queue. No photo is ever sent.

`slots/` holds the model that answers, and later a second one. A new model is checked by its digests
and its golden photos in a process of its own. If it fails, or does not get through two starts, the
old one answers again. `rollout_percent` in `slots/a/model.json` of an update says how many of a
hundred devices take it; the same devices each time, and with more percent more of them.

Where `update_key` in `device.json` is a public key, updates are refused that it has not signed
(`kerasrecipes edge … --key key.pem`); in Python, that needs `pip install cryptography`.
"""


@named
def write_edge(
    bundle: BundleFolder | str | Path,
    to: str | Path,
    *,
    name: str = "",
    collector: str = "",
    export: str | None = None,
    rollout_percent: float = 100.0,
    key: str | Path | None = None,
) -> Path:
    """Write a folder for a small device: one Python file, and its twin in C++.

    In Python, numpy, Pillow and LiteRT are enough there; in C++, sqlite, OpenSSL and LiteRT.

    Args:
        bundle: A bundle, or its folder; photos that name a class, labels or a number.
        to: The new folder; it must not exist, or be empty.
        name: Name of the device; each needs its own.
        collector: Address of the receiver, e.g. `"https://collect.example.com/collect"`.
        export: Which export, e.g. `"tflite-int8"`; by default the smallest verified `.tflite`.
        rollout_percent: How many of a hundred devices take it, where it comes as an update.
        key: A private key in a PEM file, Ed25519 or ECDSA on P-256, that signs the model; the
            device takes updates that it has signed alone.

    Returns:
        The folder; its `README.md` says how it is used.

    Raises:
        DataError: If the model cannot run so, the folder is not empty, or it is no such key.
        ValueError: If the export is unknown, the name too long, or the rollout no percentage.
        IntegrityError: If a file of the bundle changed.
        MissingDependencyError: If there is a key, and the extra `sign` is not installed.
        OSError: If nothing can be written there.
    """
    if not 0 <= rollout_percent <= 100:
        raise ValueError(f"`rollout_percent` must be from 0 to 100. Received: {rollout_percent}.")
    if collector and not collector.startswith(("http://", "https://")):
        raise DataError(f"`collector` must be an http(s) address. Received: {collector!r}.")
    if len(name) > LONGEST_NAME:
        raise ValueError(f"`name` must have {LONGEST_NAME} signs at most. Received: {len(name)}.")
    to = Path(to)
    check_new_folder(to)
    secret = None if key is None else private_key(Path(key))
    model = BundleFolder.load(bundle)
    with told_plainly(to):
        to.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFolder(to.parent) as outer:
            folder = outer / "device"
            slot = folder / "slots" / "a"
            slot.mkdir(parents=True)
            _write_slot(model, slot, export, rollout_percent)
            asked = {"name": name, "collector": collector, "token_from": "COLLECT_TOKEN"}
            asked["update_key"] = "" if secret is None else pem_of(secret.public_key())
            _write_json(folder / "device.json", {**asked, "most_waiting": telemetry.MOST_WAITING})
            if secret is not None:
                stated = read_regular(slot / "model.json")
                (slot / slots.SIGNATURE).write_bytes(signature_of(secret, stated))
            (folder / "device.py").write_text(device_source(), encoding="utf-8")
            _write_twin(folder / "cpp")
            (folder / "README.md").write_text(_README, encoding="utf-8")
            sync_folder(folder)
            folder.rename(to)
    return to


def _write_twin(folder: Path) -> None:
    folder.mkdir()
    for path in (*_TWIN.glob("*.*"), *CLASSIFIER_CPP):
        (folder / path.name).write_bytes(path.read_bytes())


def _write_slot(model: BundleFolder, slot: Path, export: str | None, percent: float) -> None:
    facts, record = write_assets(model, slot, export)
    kept = (
        "task", "height", "width", "channels", "interpolation", "background", "thresholds", "alarm"
    )  # fmt: skip
    files = {path.relative_to(slot).as_posix(): digest(path) for path in files_in(slot)}
    told = {
        **{name: facts[name] for name in kept},
        "tolerance": float(str(facts["tolerance"])),
        "threads": 2,
        "bundle": model.folder.parent.name,
        "version": int(model.folder.name) if model.folder.name.isdecimal() else 0,
        "digest": model.sha256,
        "export": record.name,
        "rollout_percent": percent,
        "files": files,
    }
    _write_json(slot / "model.json", told)


def _write_json(path: Path, values: dict[str, object]) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def device_source() -> str:
    """Return the one file of a device: this package's three, without a trace of the package."""
    text = read_regular(str(device.__file__)).decode()
    for module in (slots, telemetry):
        inner = read_regular(str(module.__file__)).decode()
        first = ast.parse(inner).body[1]
        below_docstring = "\n".join(inner.splitlines()[first.lineno - 1 :])
        start = f"from {module.__name__} import "
        line = next(one for one in text.splitlines() if one.startswith(start))
        text = text.replace(line, below_docstring)
    return text
