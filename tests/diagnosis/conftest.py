"""A saved model, and photos some of which are labelled wrongly or lie there twice."""

import json

import pytest


@pytest.fixture(scope="session")
def saved(tiny, trained, tmp_path_factory):
    """A bundle; not to be changed."""
    return tiny.write_bundle(tmp_path_factory.mktemp("saved_models") / "colours", trained)


@pytest.fixture(scope="session")
def wrong_photos(tiny, tmp_path_factory):
    """A table of 90 photos; 5, 17 and 40 have wrong labels, 89 is 3 with another label."""
    folder = tmp_path_factory.mktemp("wrong")
    pixels, labels = tiny.colour_photos(90, seed=77)
    labels = labels.copy()
    pixels[89], truth = pixels[3], labels.copy()
    labels[[5, 17, 40]] = (truth[[5, 17, 40]] + 1) % 3
    labels[89] = (truth[3] + 1) % 3
    lines = []
    for i, (photo, label) in enumerate(zip(pixels, labels, strict=True)):
        (folder / f"{i}.png").write_bytes(tiny.png(photo))
        camera = "<b>bad" if i in (5, 17, 40) else ("good", "new")[i % 2]
        row = {"path": f"{i}.png", "label": tiny.CLASS_NAMES[label], "camera": camera}
        lines.append(json.dumps({**row, "time": f"2026-01-{1 + i // 5:02}"}))
    path = folder / "photos.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def found(saved, wrong_photos, tiny_spec):
    """What is found in them."""
    import kerasrecipes as kr

    return kr.find_mistakes(wrong_photos, saved, backbone=tiny_spec())
