"""Ask MediaPipe Tasks, a real client, about photos or texts, and compare with our own answers.

    python tests/clients/check_mediapipe.py saved_models/tiles photos/
    python tests/clients/check_mediapipe.py saved_models/tickets tickets.csv

Sets up an environment with MediaPipe once and keeps it in the user's cache; its dependencies
conflict with those of TensorFlow Model Optimization. Checks every `.tflite` export on up to
200 photos, resized to the model's size, so that resizing plays no part; or on up to 200 texts,
which MediaPipe splits into tokens itself. Exits with 3 if a top class differs, and with 75 if
there is no package index to set it up from.
"""

import fcntl
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from kerasrecipes import Bundle, DecodePolicy, scan_photos, scan_texts
from kerasrecipes.bundles.export_record import check_digest
from kerasrecipes.bundles.labels import labels_text
from kerasrecipes.export import get_format
from kerasrecipes.photos.decoding.decode import decode_photo
from kerasrecipes.photos.modality import image_size, policy_of

MEDIAPIPE = "mediapipe==1.2.2"
CLIENTS = {"photos": "mediapipe_classifier.py", "texts": "mediapipe_text_classifier.py"}
EXAMPLES = 200
DIFFERS, NO_INDEX = 3, 75


def set_up() -> str:
    """Return the interpreter of an environment with MediaPipe, made once and kept."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "kerasrecipes-tests" / MEDIAPIPE.replace("==", "-")
    folder.mkdir(parents=True, exist_ok=True)
    interpreter, ready = str(folder / "bin" / "python"), folder / "ready"
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            if _pip(interpreter, "install", MEDIAPIPE):
                if not _has_index(interpreter):
                    print(f"{MEDIAPIPE} cannot be installed: no package index.", file=sys.stderr)
                    sys.exit(NO_INDEX)
                sys.exit(f"{MEDIAPIPE} cannot be installed, though there is a package index.")
            code = "from mediapipe.tasks.python import text, vision"
            subprocess.run([interpreter, "-c", code], check=True)
            ready.touch()
    return interpreter


def _has_index(interpreter: str) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        return not _pip(interpreter, "download", "--no-deps", "--no-cache-dir", "-d", folder, "six")


def _pip(interpreter: str, *arguments: str) -> int:
    return subprocess.run([interpreter, "-m", "pip", *arguments, "--quiet"]).returncode


def differences(found: list[dict], scores: np.ndarray, labels: list[str]) -> list[str]:
    """Say where MediaPipe's best classes are not ours.

    Args:
        found: `label` and `score` of MediaPipe's best class, an example each.
        scores: Ours, shape `(n, classes)`.
        labels: As they stand in the file of labels.
    """
    complaints = [] if len(found) == len(scores) else [f"{len(found)} answers for {len(scores)}"]
    for i, (theirs, ours) in enumerate(zip(found, scores, strict=False)):
        label, score = labels[ours.argmax()], ours.max()
        if theirs["label"] != label or abs(theirs["score"] - score) > 1e-4:
            complaints.append(f"example {i}: {theirs}, ours {label!r} {score:.6f}")
    return complaints


def write_photos(paths: list[Path], size: tuple[int, int], policy: DecodePolicy, to: Path):
    """Write photos at the model's size without loss; returns their pixels."""
    pixels = np.stack([decode_photo(path, size, policy) for path in paths])
    for i, photo in enumerate(pixels):
        Image.fromarray(photo).save(to / f"{i:04}.png")
    return pixels


def photos_of(bundle: Bundle, source: str, to: Path) -> np.ndarray:
    """Write photos for the client, and return what our own runtime takes of them."""
    size, policy = image_size(bundle.input), policy_of(bundle.input)
    paths = [photo.path for photo in scan_photos(source).photos]
    return write_photos([paths[i] for i in chosen(len(paths))], size, policy, to)


def texts_of(bundle: Bundle, source: str, to: Path) -> list[np.ndarray]:
    """Write texts for the client, and return their tokens as ours."""
    texts = scan_texts(source, for_training=False)
    texts = texts.select(chosen(len(texts)))
    for i, one in enumerate(texts.texts):
        (to / f"{i:04}.txt").write_text(one.text, encoding="utf-8")
    return bundle.modality.prepared(texts, bundle.input).ids()


def chosen(count: int) -> np.ndarray:
    """Draw which examples are asked about."""
    return np.random.default_rng(0).permutation(count)[:EXAMPLES]


def main(model: str, source: str) -> int:
    """Return the exit code."""
    bundle = Bundle.load(model)
    records = [record for record in bundle.exports().values() if record.format == "tflite"]
    if not records:
        sys.exit(f"'{model}' has no .tflite export.")
    interpreter = set_up()
    kind = bundle.manifest.modality
    labels = labels_text(bundle.class_names).splitlines()
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        inputs = {"photos": photos_of, "texts": texts_of}[kind](bundle, source, Path(folder))
        for record in records:
            check_digest(record)
            client = str(Path(__file__).with_name(CLIENTS[kind]))
            command = [interpreter, client, str(record.path), folder]
            said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
            found = list(json.loads(said.splitlines()[-1]).values())
            ours = get_format("tflite").load(record.path)
            scores = np.concatenate([ours(one[None])[bundle.output.name] for one in inputs])
            complaints = differences(found, scores, labels)
            same = len(scores) - len(complaints)
            print(f"{record.name}: same answer on {same} of {len(scores)} {kind}")
            print("".join(f"  {complaint}\n" for complaint in complaints[:5]), end="")
            failed |= bool(complaints)
    return DIFFERS if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
