"""Several saved models, or views of a photo, as one model whose answer is the mean of theirs."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.bundles.bundle import Golden
from kerasrecipes.data.seen import FIT_SIDES, with_seen
from kerasrecipes.errors import DataError, listed, printable
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.release.operating import VALIDATION_FILE, read_validation
from kerasrecipes.statistics.estimate import encode_float
from kerasrecipes.statistics.shown import Part, Shown

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class EnsembleBundle(Shown):
    """A model of several, and what it costs beside the first of them.

    Args:
        bundle: The new model, without exports.
        members: Number of models.
        views: Number of views of each photo.
        size_bytes: Of all weights, in float32.
        first_size_bytes: Of those of the first member.
        latency_ms: Median time of one photo, through Keras on this machine.
        first_latency_ms: The same of the first member.
    """

    bundle: Bundle
    members: int
    views: int
    size_bytes: int
    first_size_bytes: int
    latency_ms: float
    first_latency_ms: float

    def to_dict(self) -> dict[str, Any]:
        """Return the costs, and where the model lies, as JSON-safe data."""
        plain = {**vars(self), "bundle": str(self.bundle.folder)}
        return {k: encode_float(v) if isinstance(v, float) else v for k, v in plain.items()}

    def parts(self) -> Iterator[Part]:
        """Yield what it is, what it costs, and what is to be done with it."""
        of_views = f", {self.views} views of each photo" if self.views > 1 else ""
        yield f"The mean of {self.members} model{'s' if self.members > 1 else ''}{of_views}."
        size, first = self.size_bytes / 1e6, self.first_size_bytes / 1e6
        yield (
            f"Costs {self.latency_ms:.1f} ms a photo instead of {self.first_latency_ms:.1f} ms, "
            f"and {size:.1f} MB of weights instead of {first:.1f} MB."
        )
        yield (
            f"Written to '{printable(self.bundle.folder)}', without exports and operating point. "
            f"{self._operating()} Whether it is better, kerasrecipes compare tells."
        )

    def _operating(self) -> str:
        if VALIDATION_FILE in self.bundle.manifest.sha256:
            return "Choose one by kerasrecipes operate: all were chosen by the same photos."
        return (
            "None can be chosen: what it says of validation photos is not known, which takes "
            "members that were chosen by the same ones, without mirror images."
        )


@named
def ensemble_bundles(
    bundles: Sequence[Bundle | str | Path], to: str | Path, *, mirrored: bool = False
) -> EnsembleBundle:
    """Write a model whose answer is the mean of several models', and exports as one file.

    It answers better than its members as far as these err differently, and costs as much as all of
    them: `distil` teaches one small model what they know together.

    Args:
        bundles: Models with the same input and the same classes in the same order; or one, with
            `mirrored`.
        to: The folder of the new model.
        mirrored: Whether each also looks at the mirror image of a photo.

    Returns:
        The model, and what it costs; print it.

    Raises:
        ValueError: If there are fewer than two models and no mirror images, or one is there twice.
        DataError: If the models do not take and answer the same, or one of them learned from all
            photos that the first keeps for verification.
        IntegrityError: If a file of a bundle was changed.
        OSError: If nothing can be written.
    """
    from kerasrecipes.data.inference import time_single

    members = [Bundle.load(one) for one in bundles]
    _check_members(members, mirrored)
    models = [one.load_model() for one in members]
    model = mean_model(models, members[0].output.name, mirrored)
    bundle = Bundle.write(Path(to), lambda folder: _fill(folder, members, model, mirrored))
    sizes = (4 * one.count_params() for one in (model, models[0]))
    times = (float(np.median(time_single(one))) for one in (model, models[0]))
    return EnsembleBundle(bundle, len(members), 1 + mirrored, *sizes, *times)


def mean_model(models: "Sequence[keras.Model]", name: str, mirrored: bool = False) -> "keras.Model":
    """Return one model that answers with the mean of the answers of several.

    Args:
        models: Functional models with one input, of one shape, and one output.
        name: What to call the output.
        mirrored: Whether each is also asked about the mirror image, left to right.
    """
    import keras

    inputs = keras.Input(models[0].input.shape[1:], name=models[0].inputs[0].name)
    views = [inputs, keras.ops.flip(inputs, axis=2)] if mirrored else [inputs]
    answers = []
    for number, one in enumerate(models, start=1):
        one.name = f"member_{number}"
        answers += [one(view, training=False) for view in views]
    return keras.Model(inputs, keras.layers.Average(name=name)(answers), name="ensemble")


def _check_members(members: Sequence[Bundle], mirrored: bool) -> None:
    folders = [one.folder.resolve() for one in members]
    if len(members) + mirrored < 2 or len(set(folders)) < len(folders):
        raise ValueError(
            f"`bundles` must be two different models at least, or one with `mirrored`, received "
            f"{len(members)}. Name further ones."
        )
    first = members[0]
    if mirrored and (first.manifest.modality != "photos" or len(first.input.shape) != 3):
        raise ValueError("`mirrored` is for photos. Leave it out.")
    for one in members:
        if others := [output.name for output in one.manifest.outputs[1:] if not output.decides]:
            raise DataError(
                f"'{printable(one.folder)}' also answers with {listed(others)}, of which there is "
                "no mean. Ensembles are for models with one answer."
            )
    for other in members[1:]:
        takes = (one.manifest.modality + str(one.input) for one in (first, other))
        gives = ((one.output.task, one.class_names, one.output.unit) for one in (first, other))
        for what, (mine, theirs) in (("take", (*takes,)), ("answer", (*gives,))):
            if mine != theirs:
                raise DataError(
                    f"'{printable(first.folder)}' and '{printable(other.folder)}' do not {what} "
                    f"the same: {mine} and {theirs}. Train them with the same size of photos, "
                    "decoding and classes."
                )


def _fill(
    folder: Path, members: Sequence[Bundle], model: "keras.Model", mirrored: bool
) -> dict[str, Any]:
    first, seen = members[0], dict[str, str]()
    for one in members:
        seen = with_seen(seen, one.seen())
    model.save(folder / "model.keras")
    _write_golden(folder / "golden", first, seen, model)
    (folder / "calibration.npz").write_bytes(first.read("calibration.npz"))
    if not mirrored:
        _write_validation(folder / VALIDATION_FILE, members)
    rows = (json.dumps({"sha256": k, "label": None, "split": v}) for k, v in seen.items())
    (folder / "data.jsonl").write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    step = _step(members, mirrored)
    _write_report(folder, first, step)
    told = first.manifest
    plain = {"alarm": None, "abstain": None, "costs": None, "thresholds": ()}
    return {
        "name": folder.absolute().parent.name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "recipe_type": told.recipe_type,
        "recipe": told.recipe,
        "modality": told.modality,
        "input": told.input,
        "outputs": [told.outputs[0].model_copy(update=plain)],
        "counts": told.counts,
        "excluded": told.excluded,
        "golden_split": told.golden_split,
        # Nothing was measured of this model yet.
        "metrics": {},
        "seeds": told.seeds,
        "versions": told.versions,
        "weights": told.weights,
        "optimization": [*told.optimization, step],
        "parents": tuple(
            one.as_parent("one of those whose answers are averaged") for one in members
        ),
    }


def _write_validation(path: Path, members: Sequence[Bundle]) -> None:
    """Keep the mean of what members say of validation photos, if these are the same for all."""
    if any(VALIDATION_FILE not in one.manifest.sha256 for one in members):
        return
    chosen_by = [[key for key, side in one.seen().items() if side == "val"] for one in members]
    held = [read_validation(one) for one in members]
    first = held[0]
    alike = all(keys == chosen_by[0] for keys in chosen_by) and all(
        len(one["answers"]) == len(keys) and np.array_equal(one["targets"], first["targets"])
        for one, keys in zip(held, chosen_by, strict=True)
    )
    if alike:
        answers = np.mean([one["answers"] for one in held], axis=0)
        np.savez_compressed(path, **{**first, "answers": answers})


def _step(members: Sequence[Bundle], mirrored: bool) -> dict[str, Any]:
    names = [f"{one.folder.parent.name} {one.folder.name}" for one in members]
    return {
        "name": "ensemble",
        "summary": f"Answers are the mean of those of {listed(names)}"
        f"{', of each photo and its mirror image' * mirrored}.",
        "options": {"members": names, "mirrored": mirrored},
    }


def _write_report(folder: Path, first: Bundle, step: dict[str, Any]) -> None:
    from kerasrecipes.report.html import render_html

    if "report.json" not in first.manifest.sha256:
        return
    report = first.report()
    report.evaluations, report.name = {}, folder.absolute().parent.name
    report.optimization = [*report.optimization, step]
    (folder / "report.json").write_text(report.to_json(), encoding="utf-8")
    (folder / "report.html").write_text(render_html(report, {}), encoding="utf-8")


def _write_golden(folder: Path, first: Bundle, seen: dict[str, str], model: "keras.Model") -> None:
    """Keep the golden photos that no member has learned from, with the new answers."""
    golden = first.golden()
    digests = [hashlib.sha256(content).hexdigest() for content in golden.files]
    kept = [i for i, one in enumerate(digests) if seen.get(one) not in FIT_SIDES]
    if not kept:
        raise DataError(
            f"Another member has learned from all photos that '{printable(first.folder)}' keeps to "
            "verify files by. Train the members with the same split."
        )
    inputs = [first.decode(golden.files[i], golden.names[i]) for i in kept]
    answers = model.predict(np.stack(inputs).astype(np.float32), verbose=0)
    _save_golden(folder, golden, kept, answers, first)


def _save_golden(
    folder: Path, golden: Golden, kept: Sequence[int], answers: np.ndarray, first: Bundle
) -> None:
    folder.mkdir()
    stored = sorted(
        n for n in first.manifest.sha256 if n.startswith("golden/") and n[-4:] != ".npz"
    )
    suffixes = [Path(name).suffix for name in stored]
    files = [f"{number:03}{suffixes[i]}" for number, i in enumerate(kept)]
    for name, i in zip(files, kept, strict=True):
        (folder / name).write_bytes(golden.files[i])
    groups: dict[str, Any] = {}
    if golden.groups is not None:
        groups["groups"] = golden.groups[list(kept)]
    np.savez_compressed(
        folder / "golden.npz",
        files=np.array(files),
        names=np.array(json.dumps([golden.names[i] for i in kept])),
        targets=golden.targets[list(kept)],
        answers=answers,
        **groups,
    )
