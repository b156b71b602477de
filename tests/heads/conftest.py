"""Photos whose brightness, stripes and dots say a number, a degree, or several labels."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

LABELS = ("bar", "dot", "edge")
PHOTOS, SIDE = 96, 24


def marked(brightness: float, labels: tuple[str, ...], seed: int) -> np.ndarray:
    """Draw a photo, uint8, shape `(SIDE, SIDE, 3)`."""
    rng = np.random.default_rng(seed)
    photo = rng.normal(brightness, 6, (SIDE, SIDE, 3))
    y, x = rng.integers(5, SIDE - 10, 2)
    if "bar" in labels:
        photo[:, x : x + 3] += [120, -60, -60]
    if "dot" in labels:
        photo[y : y + 6, x : x + 6] += [-60, 120, -60]
    if "edge" in labels:
        photo[:3] += [-60, -60, 120]
    return np.clip(photo, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def marked_photos(tmp_path_factory):
    """A set of photos, and the brightness and labels of each."""
    from kerasrecipes import scan_photos

    root = tmp_path_factory.mktemp("marked")
    rng = np.random.default_rng(0)
    numbers = rng.uniform(60, 190, PHOTOS)
    labels = [tuple(one for one in LABELS if rng.random() < 0.4) for _ in range(PHOTOS)]
    for i, (number, given) in enumerate(zip(numbers, labels, strict=True)):
        folder = root / "ab"[i % 2]
        folder.mkdir(exist_ok=True)
        Image.fromarray(marked(number, given, i)).save(folder / f"{i:03}.png")
    photos = scan_photos(root)
    order = [int(photo.path.stem) for photo in photos.photos]
    return photos, numbers[order], [labels[i] for i in order]


@pytest.fixture(scope="session")
def labelled(marked_photos):
    """Makes three sides of the photos, answered in another way."""

    def make(answers, target, class_names=(), **changes):
        photos, _, _ = marked_photos
        pairs = zip(photos.photos, answers, strict=True)
        items = tuple(replace(photo, label=answer) for photo, answer in pairs)
        whole = replace(photos, photos=items, target=target, class_names=class_names, **changes)
        rows = np.random.default_rng(1).permutation(PHOTOS)
        return tuple(whole.select(sorted(part)) for part in np.split(rows, (56, 76)))

    return make


@pytest.fixture(scope="session")
def head_recipe(tiny_spec):
    """Makes recipes that fit in seconds."""
    from kerasrecipes import ImageClassifier, UnfreezeSchedule

    def make(head, **changes):
        settings = {
            "image_size": (SIDE, SIDE),
            "schedule": UnfreezeSchedule.full(epochs=20, learning_rate=0.01),
            "augment": "none",
            "views": 1,
            "batch_size": 8,
            "ema": False,
            "dropout": 0.0,
        }
        spec = tiny_spec(image_size=(SIDE, SIDE), min_image_size=16)
        return ImageClassifier(spec, head=head, **{**settings, **changes})

    return make


@pytest.fixture(scope="session")
def student_of(head_recipe):
    """Fits a student to what a teacher says, half of the photos without their labels."""
    from kerasrecipes import UnfreezeSchedule, distil

    def make(teacher, sides, **changes):
        train, val, _ = sides
        schedule = UnfreezeSchedule.full(epochs=12, learning_rate=0.01)
        student = head_recipe(teacher.head, schedule=schedule, seed=1, **changes)
        half = len(train) // 2
        labelled, bare = train.select(range(half)), train.select(range(half, len(train)))
        return distil(teacher, student, labelled, val, unlabelled=bare, verbose=False)

    return make
