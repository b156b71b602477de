"""Writing a fitted recipe as a bundle, and making sure that it reads back as it was."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.bundles.first_weights import giver_of
from kerasrecipes.bundles.manifest import Parent
from kerasrecipes.data.examples import Examples
from kerasrecipes.data.modality import get_modality
from kerasrecipes.drift.profile import PROFILE_FILE, ReferenceProfile
from kerasrecipes.errors import IntegrityError, printable
from kerasrecipes.evaluation.scores import group_numbers
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.release.calibration import calibration_inputs
from kerasrecipes.release.operating import VALIDATION_FILE
from kerasrecipes.release.sections import drift_section
from kerasrecipes.training.fitted import Fitted

if TYPE_CHECKING:
    from kerasrecipes.training.fitted import HeldOut
    from kerasrecipes.training.recipe import Recipe

GOLDEN_PHOTOS = 200
GOLDEN_BYTES = 50_000_000


def save_recipe(recipe: "Recipe", name_folder: Path) -> Bundle:
    """Write a new version of a model folder; see `ImageClassifier.save`."""
    fitted, report = recipe.fitted_, recipe.report_
    train, _ = fitted.learnt_from
    report.name = printable(name_folder.absolute().name)

    def fill(folder: Path) -> dict:
        fitted.model.save(folder / "model.keras")
        held_out = fitted.golden
        chosen = golden_indices(held_out.examples)
        _write_golden(folder / "golden", fitted, chosen)
        if "int8" not in get_modality(fitted.modality).refused:
            shape = tuple(fitted.model.input.shape[1:])
            inputs = calibration_inputs(train, shape, recipe.seed, model=fitted.model)
            np.savez_compressed(folder / "calibration.npz", photos=inputs)
        _write_data(folder / "data.jsonl", fitted)
        if "val" in fitted.held_out:
            _write_validation(folder / VALIDATION_FILE, fitted.held_out["val"])
        profile = held_out.profile(fitted.output, recipe.seed)
        profile.write(folder / PROFILE_FILE)
        _write_report(folder, fitted, profile)
        _compare_saved(folder / "model.keras", held_out, chosen[:16])
        spec, files = fitted.input.without_files()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return {**_manifest_fields(recipe), "input": spec}

    return Bundle.write(name_folder, fill)


def golden_indices(examples: Examples) -> list[int]:
    """Choose held-out examples to keep: spread over the classes, within the size limits."""
    strata = examples.strata()
    members = [list(np.flatnonzero(strata == k)) for k in np.unique(strata)]
    # Each class takes part in proportion, and the first of each come first.
    ranked = sorted(
        (rank / len(of_class), k, index)
        for k, of_class in enumerate(members)
        for rank, index in enumerate(of_class)
    )
    least = len(examples.class_names)
    chosen: list[int] = []
    size = 0
    for _, _, index in ranked[:GOLDEN_PHOTOS]:
        size += examples.items[index].size_bytes
        if size > GOLDEN_BYTES and len(chosen) >= least:
            break
        chosen.append(int(index))
    return chosen


def _write_golden(folder: Path, fitted: Fitted, chosen: list[int]) -> None:
    folder.mkdir()
    held_out = fitted.golden
    examples = held_out.examples
    files = []
    for number, index in enumerate(chosen):
        suffix, content = examples.file_of(index)
        files.append(f"{number:03}.{suffix}")
        (folder / files[-1]).write_bytes(content)
    np.savez_compressed(
        folder / "golden.npz",
        files=np.array(files),
        names=np.array(json.dumps([Path(examples.items[i].name).name for i in chosen])),
        targets=held_out.targets[chosen],
        answers=held_out.own_answers[chosen],
        **_groups_of(examples.select(chosen)),
        **_other_answers(fitted, examples.select(chosen)),
    )


def _other_answers(fitted: Fitted, examples: Examples) -> dict[str, Any]:
    """Return what a model answers besides, by what it is called among golden vectors."""
    from kerasrecipes.data.inference import answers_by_output

    if not fitted.others:
        return {}
    _, *found = answers_by_output(fitted.model, examples)
    names = [f"output {one.name}" for one in fitted.others]
    return dict(zip(names, found, strict=True))


def _write_validation(path: Path, held_out: "HeldOut") -> None:
    """Keep what the model says of validation photos, for thresholds that are chosen later."""
    answered: dict[str, Any] = {"targets": held_out.targets, "answers": held_out.answers}
    np.savez_compressed(path, **answered, **_groups_of(held_out.examples))


def _groups_of(examples: Examples) -> dict[str, Any]:
    """Return the number of each example's group, if some share one; names may be private."""
    groups = group_numbers(examples.groups, len(examples))
    return {} if groups is None else {"groups": groups}


def _write_data(path: Path, fitted: Fitted) -> None:
    sides = dict(zip(("train", "val"), fitted.learnt_from, strict=True))
    for split, measured in fitted.held_out.items():  # that of "val" may hold training examples
        sides.setdefault(split, measured.examples)
    with path.open("w", encoding="utf-8") as file:
        for split, photos in sides.items():
            for item in photos.items:
                row = {"sha256": item.key, "label": item.label, "split": split}
                file.write(json.dumps(row) + "\n")
        told = {item.key for photos in sides.values() for item in photos.items}
        # Of photos without labels, and those of earlier tests, only the side is known.
        for sha256, split in fitted.seen.items():
            if sha256 not in told:
                file.write(json.dumps({"sha256": sha256, "label": None, "split": split}) + "\n")


def _write_report(folder: Path, fitted: Fitted, profile: ReferenceProfile) -> None:
    from kerasrecipes.report.html import render_html
    from kerasrecipes.report.plots.pictures import draw_pictures
    from kerasrecipes.report.threshold_section import threshold_sections

    plots = draw_pictures(fitted.report, fitted.golden, fitted.output)
    (folder / "plots").mkdir()
    for name, png in plots.items():
        (folder / "plots" / f"{name}.png").write_bytes(png)
    (folder / "report.json").write_text(fitted.report.to_json(), encoding="utf-8")
    noun, sections = fitted.report.noun, []
    if (held := fitted.held_out.get("val")) is not None:
        groups = group_numbers(held.examples.groups, len(held.examples))
        sections = threshold_sections(fitted.output, held.targets, held.answers, groups, noun)
    sections.append(drift_section(profile, fitted.golden.split, noun))
    page = render_html(fitted.report, plots, sections)
    (folder / "report.html").write_text(page, encoding="utf-8")


def _compare_saved(path: Path, held_out: "HeldOut", chosen: list[int]) -> None:
    """Load what was written: the model that was measured must be the one on the disk."""
    from kerasrecipes.bundles.model_file import load_model
    from kerasrecipes.data.inference import predict_scores

    try:
        saved = load_model(path)
    except IntegrityError as error:
        raise IntegrityError(
            "The model that was written cannot be read again, so it was not kept. Register each "
            "layer and function of your own by @keras.saving.register_keras_serializable(), and "
            f"train again. Keras says: {error.__cause__}"
        ) from error
    scores = predict_scores(saved, held_out.examples.select(chosen))
    gap = float(np.abs(scores - held_out.own_answers[chosen]).max())
    if gap > 1e-4:
        raise IntegrityError(
            f"The saved model answers differently from the one in memory (by {gap:.2g}), so it "
            "was not kept. Does it have layers whose state Keras does not save?"
        )


def _manifest_fields(recipe: "Recipe") -> dict:
    report = recipe.report_
    fitted = recipe.fitted_
    return {
        "name": report.name,
        "created": report.created,
        "recipe_type": type(recipe).__name__,
        "recipe": recipe.get_config(),
        "modality": fitted.modality,
        "outputs": [fitted.output, *fitted.others],
        "counts": report.data.counts,
        "excluded": report.data.excluded,
        "golden_split": fitted.golden.split,
        "metrics": {k: v.to_dict() for k, v in report.evaluations.items()},
        "seeds": report.seeds,
        "versions": report.versions,
        "weights": report.weights,
        "optimization": report.optimization,
        "parents": _parents(recipe),
    }


def _parents(recipe: "Recipe") -> tuple[Parent, ...]:
    """Return the saved models that this one was made of, or got its first weights from."""
    if recipe.fitted_.parents:
        return recipe.fitted_.parents
    giver = giver_of(recipe.weights)
    return () if giver is None else (giver.as_parent("the weights that it started from"),)
