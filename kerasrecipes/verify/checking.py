"""Running an exported file on held-out photos and comparing it with the original model."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.data.decode import decode_photo, read_photo
from kerasrecipes.errors import DataError, listed, unknown_name
from kerasrecipes.evaluation.intervals import paired_difference_interval
from kerasrecipes.export import ExportRecord, LoadedModel, check_digest, get_format
from kerasrecipes.export.record import no_exports
from kerasrecipes.verify.latency import benchmark_export
from kerasrecipes.verify.tolerance import Tolerance
from kerasrecipes.verify.verification import Verification, find_failures

if TYPE_CHECKING:
    from kerasrecipes.bundle import Bundle
    from kerasrecipes.data.photos import PhotoSet


def verify_export(
    bundle: "Bundle",
    export: ExportRecord | str,
    photos: "PhotoSet | None" = None,
    *,
    scores: np.ndarray | None = None,
    tolerance: Tolerance | None = None,
) -> Verification:
    """Check that an exported file still is the bundle's model, on photos from their bytes.

    Args:
        bundle: The bundle that the file belongs to.
        export: Its record, or its name, e.g. `"tflite-int8"`.
        photos: Held-out photos; by default the golden photos of the bundle.
        scores: What the original model says about `photos`, `(n, classes)`.
        tolerance: The limits; by default those it was exported with, or strict ones.

    Returns:
        All numbers. Broken limits are listed in `failures`; nothing is raised for them.

    Raises:
        ValueError: If the bundle has no export of that name.
        DataError: If the photos do not fit the model.
        IntegrityError: If the file changed since it was recorded; it is not opened then.
    """
    record = _record(bundle, export)
    check_digest(record)
    tolerance = tolerance or _recorded_tolerance(record)
    chosen = get_format(record.format)
    model = chosen.load(record.path)
    _check_interface(model, chosen.read_labels(record.path), bundle, record)
    labels, reference, pixels = _held_out(bundle, photos, scores)
    answers = np.concatenate([model(photo[None]) for photo in pixels])
    facts = chosen.inspect(record.path)
    numbers = _compare(answers, reference, labels)
    bad_rows = int(np.sum(~np.isfinite(answers).all(axis=1)))
    return Verification(
        name=record.name,
        **numbers,
        size_bytes=record.path.stat().st_size,
        latency=benchmark_export(record.path),
        ops=facts.ops,
        int8_fraction=facts.int8_fraction,
        non_builtin_ops=len(facts.custom_ops),
        tolerance=tolerance,
        failures=find_failures(numbers, tolerance, bad_rows=bad_rows, custom_ops=facts.custom_ops),
    )


def verify_bundle(folder: str | Path) -> list[Verification]:
    """Repeat the verification of every export from the bundle alone, without tensorflow.

    Args:
        folder: A bundle, `saved_models/<name>/<version>`, or `saved_models/<name>` for its
            latest version.

    Returns:
        One verification per export; look at their `failures`.

    Raises:
        DataError: If the bundle has no exports.
        IntegrityError: If a file of the bundle was changed, added or removed.
    """
    from kerasrecipes.bundle import Bundle

    bundle = Bundle.load(folder)
    records = bundle.exports()
    if not records:
        raise DataError(no_exports(bundle.folder))
    for record in records.values():
        check_digest(record)
    return [verify_export(bundle, record) for record in records.values()]


def _record(bundle: "Bundle", export: ExportRecord | str) -> ExportRecord:
    if isinstance(export, ExportRecord):
        return export
    records = bundle.exports()
    if not records:
        raise DataError(no_exports(bundle.folder))
    if export not in records:
        raise unknown_name("export", export, records, "Bundle.exports()")
    return records[export]


def _recorded_tolerance(record: ExportRecord) -> Tolerance:
    if not record.verification:
        return Tolerance.for_quantization(record.quantization)
    return Verification.from_dict(record.verification).tolerance


def _check_interface(
    model: LoadedModel, labels: tuple[str, ...], bundle: "Bundle", record: ExportRecord
) -> None:
    names, size = list(bundle.manifest.class_names), tuple(bundle.manifest.image_size)
    if model.image_size != size or model.class_count != len(names):
        raise DataError(
            f"The export '{record.name}' takes photos of {model.image_size} and knows "
            f"{model.class_count} classes; the bundle's model takes {size} and knows "
            f"{len(names)}. Export again with --overwrite."
        )
    if list(labels) != names:
        raise DataError(
            f"The export '{record.name}' carries the labels {listed(labels)}, the bundle "
            f"{listed(names)}. Export again with --overwrite."
        )


def _held_out(
    bundle: "Bundle", photos: "PhotoSet | None", scores: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, Iterator[np.ndarray]]:
    """Return labels, scores of the original model, and the decoded photos one by one."""
    size, policy = tuple(bundle.manifest.image_size), bundle.policy()
    if photos is None:
        golden = bundle.golden()
        _check_scores(golden.scores, len(golden.photos), bundle)
        named = zip(golden.photos, golden.names, strict=True)
        pixels = (decode_photo(data, size, policy, name=name) for data, name in named)
        return np.asarray(golden.labels), np.asarray(golden.scores), pixels
    if scores is None:
        raise DataError(
            "`photos` need the original model's answers to compare with. Pass `scores`, its "
            "probabilities for them, or leave `photos` out to use the bundle's golden photos."
        )
    _check_scores(scores, len(photos), bundle)
    index = {name: i for i, name in enumerate(bundle.manifest.class_names)}
    unknown = sorted({photo.label for photo in photos.photos} - index.keys())
    if unknown:
        raise DataError(
            f"`photos` have classes that the model does not know: {listed(unknown)}. It knows "
            f"{listed(index)}. Correct the labels."
        )
    labels = np.array([index[photo.label] for photo in photos.photos])
    return labels, np.asarray(scores), (read_photo(p, size, policy) for p in photos.photos)


def _check_scores(scores: np.ndarray, count: int, bundle: "Bundle") -> None:
    if count == 0:
        raise DataError("There are no held-out photos to verify on. Pass `photos` with some.")
    expected = (count, len(bundle.manifest.class_names))
    if np.shape(scores) != expected or not np.isfinite(scores).all():
        raise DataError(
            f"The original model's scores must be finite and of shape {expected}, received "
            f"{np.shape(scores)}. Score the same photos with the bundle's model."
        )


def _compare(answers: np.ndarray, reference: np.ndarray, labels: np.ndarray) -> dict[str, object]:
    finite = np.isfinite(answers).all(axis=1)
    # A photo that is answered with NaN has no top class and is wrong.
    top = np.where(finite, np.nan_to_num(answers).argmax(axis=1), -1)
    reference_top = reference.argmax(axis=1)
    right, reference_right = top == labels, reference_top == labels
    gaps = np.abs(answers[finite] - reference[finite])
    return {
        "photos": len(labels),
        "agreement": float(np.mean(top == reference_top)),
        "accuracy": float(np.mean(right)),
        "reference_accuracy": float(np.mean(reference_right)),
        "accuracy_difference": float(np.mean(right) - np.mean(reference_right)),
        "difference_interval": paired_difference_interval(right, reference_right),
        "largest_gap": float(gaps.max()) if gaps.size else 0.0,
    }
