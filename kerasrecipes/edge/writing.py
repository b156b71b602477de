"""The folder of a device: one Python file, its twin in C++, a model, and what the device may do."""

import ast
import json
from pathlib import Path

from kerasrecipes.arguments import named
from kerasrecipes.bundles.bundle import BundleFolder
from kerasrecipes.bundles.export_record import ExportRecord
from kerasrecipes.edge import device, slots, sparing, telemetry
from kerasrecipes.edge.collecting import LONGEST_NAME
from kerasrecipes.errors import DataError, is_number
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
    ./device answer photo.jpg           # and send, update and status, as above

Both may run here, also at once: they share the model, the queue and all rules. In C++, photos are
read from PPM files, and from JPEG and PNG where CMake found libjpeg and libpng (`libjpeg-dev`,
`libpng-dev`); where a camera gives pixels, fill a `Photo` from it.

`device.json`: `name` must differ from device to device; `collector` is the address of a receiver,
`kerasrecipes collect` on some machine; `token_from` names the environment variable with the token
that it asks for; `most_waiting` bounds the queue. No photo is ever sent.

Where `slots/a` has a `smaller.tflite`, it answers while the model alone takes more than `slow_ms`,
or the file `temperature` tells `hot_celsius` or more. Each of its answers says why, `status` how
often it took over.

`slots/` holds the model that answers, and later a second one. A new model is checked by its digests
and its golden photos in a process of its own. If it fails, or does not get through two starts, the
old one answers again. `rollout_percent` in `slots/a/model.json` of an update says how many of a
hundred devices take it; the same devices each time, and with more percent more of them.

Where `update_key` in `device.json` is a public key, updates are refused that it has not signed
(`kerasrecipes edge … --key key.pem`); in Python, that needs `pip install cryptography`.
"""
_TOLD = {"token_from": "COLLECT_TOKEN", "most_waiting": telemetry.MOST_WAITING}


@named
def write_edge(
    bundle: BundleFolder | str | Path,
    to: str | Path,
    *,
    name: str = "",
    collector: str = "",
    export: str | None = None,
    smaller: str | None = None,
    slow_ms: float | None = None,
    hot_celsius: float | None = None,
    temperature: str = sparing.SENSOR,
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
        smaller: A smaller export of the same model, e.g. `"tflite-int8"` beside `"tflite-float32"`;
            it answers while the device is hot or slow.
        slow_ms: Milliseconds from which on the model alone is too slow, three times in a row.
        hot_celsius: The temperature from which on it is hot, until five degrees below.
        temperature: The device's file that tells it, in thousandths of a degree.
        rollout_percent: How many of a hundred devices take it, where it comes as an update.
        key: A private key in a PEM file, Ed25519 or ECDSA on P-256, that signs the model; the
            device takes updates that it has signed alone.

    Returns:
        The folder; its `README.md` says how it is used.

    Raises:
        DataError: If the model cannot run so, the folder is not empty, or it is no such key.
        ValueError: If an export is unknown, the name too long, the rollout no percentage, or
            nothing would let the smaller export answer, or no such export be asked for.
        IntegrityError: If a file of the bundle changed.
        MissingDependencyError: If there is a key, and the extra `sign` is not installed.
        OSError: If nothing can be written there.
    """
    _check(name, collector, rollout_percent)
    limits = _limits(export, smaller, slow_ms, hot_celsius, temperature)
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
            _write_slot(model, slot, (export, smaller), rollout_percent)
            told = {"name": name, "collector": collector, "smaller": limits}
            told["update_key"] = "" if secret is None else pem_of(secret.public_key())
            _write_json(folder / "device.json", {**told, **_TOLD})
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


def _check(name: str, collector: str, rollout_percent: float) -> None:
    if not 0 <= rollout_percent <= 100:
        raise ValueError(f"`rollout_percent` must be from 0 to 100. Received: {rollout_percent}.")
    if collector and not collector.startswith(("http://", "https://")):
        raise DataError(f"`collector` must be an http(s) address. Received: {collector!r}.")
    if len(name) > LONGEST_NAME:
        raise ValueError(f"`name` must have {LONGEST_NAME} signs at most. Received: {len(name)}.")


def _limits(
    export: str | None, smaller: str | None, slow_ms: float | None, hot: float | None, sensor: str
) -> dict[str, object] | None:
    """Return from when on a smaller model answers.

    Raises:
        ValueError: If there is one without the other, or a limit is none.
    """
    if smaller is None:
        given = {"slow_ms": slow_ms, "hot_celsius": hot}
        for name in (name for name, value in given.items() if value is not None):
            raise ValueError(f"`{name}` has no effect without `smaller`. Name a smaller export.")
        if sensor != sparing.SENSOR:
            raise ValueError("`temperature` has no effect without `hot_celsius`. Give both.")
        return None
    if export is None:
        raise ValueError("`smaller` needs `export`. Name the one that answers else, too.")
    if slow_ms is None and hot is None:
        raise ValueError("`smaller` would never answer. Give `slow_ms`, `hot_celsius` or both.")
    if hot is None and sensor != sparing.SENSOR:
        raise ValueError("`temperature` has no effect without `hot_celsius`. Give both.")
    for name, value, least in (("slow_ms", slow_ms, 0.001), ("hot_celsius", hot, 1.0)):
        if value is not None and not is_number(value, least, 1e6):
            raise ValueError(f"`{name}` must be a number from {least:g} on. Received: {value!r}.")
    return {"slow_ms": slow_ms, "hot_celsius": hot, "temperature": sensor}


def _write_smaller(
    model: BundleFolder, slot: Path, export: str, usual: ExportRecord
) -> dict[str, object]:
    """Write a second file of a model beside the usual one, and return what to know of it."""
    with TemporaryFolder(slot) as folder:
        facts, record = write_assets(model, folder, export)
        if record.size_bytes >= usual.size_bytes:
            raise DataError(
                f"The export '{record.name}' has {record.size_bytes:,} bytes, no fewer than "
                f"'{usual.name}' with {usual.size_bytes:,}. Name a smaller one as `smaller`."
            )
        (folder / "model.tflite").rename(slot / "smaller.tflite")
        (folder / "golden" / "golden.txt").rename(slot / "golden" / "smaller.txt")
    return {"export": record.name, "tolerance": float(str(facts["tolerance"]))}


def _write_slot(
    model: BundleFolder, slot: Path, exports: tuple[str | None, str | None], percent: float
) -> None:
    usual, smaller = exports
    facts, record = write_assets(model, slot, usual)
    beside = None if smaller is None else _write_smaller(model, slot, smaller, record)
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
        "smaller": beside,
        "rollout_percent": percent,
        "files": files,
    }
    _write_json(slot / "model.json", told)


def _write_json(path: Path, values: dict[str, object]) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def device_source() -> str:
    """Return the one file of a device: this package's four, without a trace of the package."""
    text = read_regular(str(device.__file__)).decode()
    for module in (slots, sparing, telemetry):
        inner = read_regular(str(module.__file__)).decode()
        first = ast.parse(inner).body[1]
        below_docstring = "\n".join(inner.splitlines()[first.lineno - 1 :])
        start = f"from {module.__name__} import "
        line = next(one for one in text.splitlines() if one.startswith(start))
        text = text.replace(line, below_docstring)
    return text
