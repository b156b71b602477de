"""Writing a fitted recipe as a bundle, and making sure that it reads back as it was."""

import json
from pathlib import Path

import numpy as np

from kerasrecipes.errors import IntegrityError, printable
from kerasrecipes.photos.decoding.decode import read_unchanged
from kerasrecipes.photos.photo_set import PhotoSet
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.training.calibration import calibration_photos

GOLDEN_PHOTOS = 200
GOLDEN_BYTES = 50_000_000


def save_recipe(recipe, name_folder: Path) -> Bundle:
    """Write a new version of a model folder; see `ImageClassifier.save`."""
    report = recipe.report_
    report.name = printable(name_folder.absolute().name)

    def fill(folder: Path) -> dict:
        recipe.model_.save(folder / "model.keras")
        held_out = recipe.held_out_
        chosen = golden_indices(held_out.photos)
        _write_golden(folder / "golden", held_out, chosen)
        size = tuple(recipe.model_.input.shape[1:3])
        pixels = calibration_photos(recipe.train_, size, recipe.seed, model=recipe.model_)
        np.savez_compressed(folder / "calibration.npz", photos=pixels)
        _write_data(folder / "data.jsonl", recipe)
        _write_report(folder, recipe)
        _compare_saved(folder / "model.keras", held_out, chosen[:16], size)
        return _manifest_fields(recipe, size)

    return Bundle.write(name_folder, fill)


def golden_indices(photos: PhotoSet) -> list[int]:
    """Choose held-out photos to keep: spread over the classes, within the size limits."""
    by_class = [list(np.flatnonzero(photos.labels == k)) for k in range(len(photos.class_names))]
    total = len(photos)
    # Each class takes part in proportion, and the first of each come first.
    ranked = sorted(
        (rank / len(members), k, index)
        for k, members in enumerate(by_class)
        for rank, index in enumerate(members)
    )
    chosen, size = [], 0
    for _, _, index in ranked[: min(total, GOLDEN_PHOTOS)]:
        size += photos.photos[index].facts.size_bytes
        if size > GOLDEN_BYTES and len(chosen) >= len(by_class):
            break
        chosen.append(int(index))
    return chosen


def _write_golden(folder: Path, held_out, chosen: list[int]) -> None:
    folder.mkdir()
    photos = [held_out.photos.photos[i] for i in chosen]
    files = []
    for number, photo in enumerate(photos):
        files.append(f"{number:03}.{photo.facts.image_format.lower()}")
        (folder / files[-1]).write_bytes(read_unchanged(photo))
    np.savez_compressed(
        folder / "golden.npz",
        files=np.array(files),
        names=np.array(json.dumps([photo.path.name for photo in photos])),
        labels=held_out.labels[chosen],
        scores=held_out.scores[chosen],
    )


def _write_data(path: Path, recipe) -> None:
    held_out = recipe.held_out_
    sides = {"train": recipe.train_, "val": recipe.val_, held_out.split: held_out.photos}
    with path.open("w", encoding="utf-8") as file:
        for split, photos in sides.items():
            for photo in photos.photos:
                row = {"sha256": photo.facts.sha256, "label": photo.label, "split": split}
                file.write(json.dumps(row) + "\n")
        told = {photo.facts.sha256 for photos in sides.values() for photo in photos.photos}
        # Of photos without labels, and those of earlier tests, only the side is known.
        for sha256, split in recipe.seen_.items():
            if sha256 not in told:
                file.write(json.dumps({"sha256": sha256, "label": None, "split": split}) + "\n")


def _write_report(folder: Path, recipe) -> None:
    from kerasrecipes.report.html import render_html
    from kerasrecipes.report.pictures import draw_pictures

    plots = draw_pictures(recipe.report_, recipe.held_out_)
    (folder / "plots").mkdir()
    for name, png in plots.items():
        (folder / "plots" / f"{name}.png").write_bytes(png)
    (folder / "report.json").write_text(recipe.report_.to_json(), encoding="utf-8")
    (folder / "report.html").write_text(render_html(recipe.report_, plots), encoding="utf-8")


def _compare_saved(path: Path, held_out, chosen: list[int], size: tuple[int, int]) -> None:
    """Load what was written: the model that was measured must be the one on the disk."""
    from kerasrecipes.bundles.model_file import load_model
    from kerasrecipes.data.inference import predict_scores

    scores = predict_scores(load_model(path), held_out.photos.select(chosen))
    gap = float(np.abs(scores - held_out.scores[chosen]).max())
    if gap > 1e-4:
        raise IntegrityError(
            f"The saved model answers differently from the one in memory (by {gap:.2g}), so it "
            "was not kept. Does it have layers whose state Keras does not save?"
        )


def _manifest_fields(recipe, size: tuple[int, int]) -> dict:
    report = recipe.report_
    train = recipe.train_
    return {
        "name": report.name,
        "created": report.created,
        "recipe_type": type(recipe).__name__,
        "recipe": recipe.get_config(),
        "class_names": list(train.class_names),
        "image_size": size,
        "policy": train.policy.to_dict(),
        "data_digests": report.data.digests,
        "counts": report.data.counts,
        "excluded": report.data.excluded,
        "class_balance": {name: n / len(train) for name, n in train.counts().items()},
        "golden_split": recipe.held_out_.split,
        "metrics": {k: v.to_dict() for k, v in report.evaluations.items()},
        "seeds": report.seeds,
        "versions": report.versions,
        "weights": report.weights,
        "optimization": report.optimization,
    }
