"""Parts that are answered with several labels, a number, or a degree."""

from dataclasses import replace

import pytest

LABELS = {"dot": ("dot", "marked"), "plain": (), "stripe": ("marked", "stripe")}
NUMBERS = {"dot": 4000.0, "plain": 4001.0, "stripe": 4003.0}
ORDER = ("plain", "dot", "stripe")


@pytest.fixture(scope="session")
def answered(part_photos):
    """Makes the photos of parts, answered with `"labels"`, a `"number"`, or an ordered `"class"`.

    One in `wrong` has the answer of another kind.
    """
    from kerasrecipes import scan_photos

    photos = scan_photos(part_photos)
    answers = {"labels": LABELS, "number": NUMBERS, "class": dict(zip(ORDER, ORDER, strict=True))}
    names = {"labels": ("dot", "marked", "stripe"), "number": (), "class": ORDER}

    def make(target, wrong=None):
        items = []
        for i, photo in enumerate(photos.photos):
            kind = photo.label
            if wrong and i % wrong == 0:
                kind = ORDER[ORDER.index(kind) - 1]
            items.append(replace(photo, label=answers[target][kind]))
        changes = {"target": target, "class_names": names[target], "ordered": target == "class"}
        return replace(photos, photos=tuple(items), **changes)

    return make
