"""Running an exported file on held-out photos and comparing it with the original model."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.bundles.contract import Contract
from kerasrecipes.bundles.export_record import RECORD_FILE, ExportRecord, check_digest, no_exports
from kerasrecipes.console import bar
from kerasrecipes.errors import (
    DataError,
    IntegrityError,
    VerificationError,
    listed,
    printable,
    unknown_name,
)
from kerasrecipes.evaluation.scores import top_classes
from kerasrecipes.export import GraphFacts, LoadedModel, get_format
from kerasrecipes.export.footprint import measure_footprint
from kerasrecipes.export.format import ask
from kerasrecipes.statistics.intervals import paired_difference_interval
from kerasrecipes.statistics.paired import bootstrap_difference, mcnemar_p_value
from kerasrecipes.verify.changes import compare_classes, find_flips, finite_or_none
from kerasrecipes.verify.held_out import AnsweredPhotos, hold_out
from kerasrecipes.verify.latency import benchmark_export
from kerasrecipes.verify.tolerance import Tolerance
from kerasrecipes.verify.verification import Verification, find_failures

if TYPE_CHECKING:
    from kerasrecipes.bundles.bundle import BundleFolder
    from kerasrecipes.photos.photo_set import PhotoSet


def verify_export(
    bundle: "BundleFolder",
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
        VerificationError: If the file cannot run at all: it needs operators that a plain runtime
            lacks, or lacks weights.
        IntegrityError: If the file changed since it was recorded; it is not opened then.
    """
    record = _record(bundle, export)
    check_digest(record)
    tolerance = tolerance or _recorded_tolerance(record)
    chosen = get_format(record.format)
    facts = chosen.inspect(record.path)
    refuse_incomplete(facts, record)
    model = chosen.load(record.path)
    check_interface(model, chosen.read_contract(record.path), bundle, record)
    held_out = hold_out(bundle, photos, scores)
    expected = record.decision.apply(held_out.scores, bundle.class_names)
    held_out = replace(held_out, scores=expected)
    answers = ask(model, _shown(held_out), bundle.output)
    numbers = _compare(answers, held_out, bundle.class_names)
    bad_rows = int(np.sum(~np.isfinite(answers).all(axis=1)))
    footprint = measure_footprint(record.path, record.format)
    return Verification(
        name=record.name,
        **numbers,
        size_bytes=record.size_bytes,
        latency=benchmark_export(record.path),
        ops=facts.ops,
        int8_fraction=facts.int8_fraction,
        int8_work_fraction=facts.int8_work_fraction,
        non_builtin_ops=len(facts.custom_ops),
        load_ms=footprint.load_ms,
        memory_bytes=footprint.memory_bytes,
        tolerance=tolerance,
        failures=find_failures(numbers, tolerance, bad_rows),
    )


def verify_bundle(bundle: "BundleFolder | str | Path") -> list[Verification]:
    """Repeat the verification of every export from the bundle alone, without tensorflow.

    Args:
        bundle: A bundle, or its folder; a model's folder stands for its latest version.

    Returns:
        One verification per export; look at their `failures`.

    Raises:
        DataError: If the bundle has no exports.
        VerificationError: If a file cannot run at all; see `verify_export`.
        IntegrityError: If a file of the bundle was changed, added or removed.
    """
    from kerasrecipes.bundles.bundle import BundleFolder

    bundle = BundleFolder.load(bundle)
    records = bundle.exports()
    if not records:
        raise DataError(no_exports(bundle.folder))
    for record in records.values():
        check_digest(record)
    return [verify_export(bundle, record) for record in records.values()]


def _record(bundle: "BundleFolder", export: ExportRecord | str) -> ExportRecord:
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
    try:
        return Verification.from_dict(record.verification).tolerance
    except DataError as error:
        raise IntegrityError(
            f"'{printable(record.folder / RECORD_FILE)}' was changed: its verification is not one "
            "any more. Export again with --overwrite."
        ) from error


def refuse_incomplete(facts: GraphFacts, record: ExportRecord) -> None:
    """Stop before a runtime opens a file that lacks operators or weights.

    Args:
        facts: What the file contains.
        record: Names the file.

    Raises:
        VerificationError: If it would not run, or on nothing.
    """
    problems = []
    if facts.custom_ops:
        names = listed(sorted(set(facts.custom_ops)))
        problems.append(f"needs {len(facts.custom_ops)} operators that are not built in: {names}")
    if facts.empty_weights:
        problems.append(f"reads {facts.empty_weights} weights that it does not hold")
    if problems:
        raise VerificationError(
            f"The export '{record.name}' is no complete model: it {' and '.join(problems)}. "
            "Export again with --overwrite."
        )


def check_interface(
    model: LoadedModel, contract: Contract, bundle: "BundleFolder", record: ExportRecord
) -> None:
    """Compare what a file takes and gives with what its bundle says.

    Args:
        model: The opened file.
        contract: What it says of itself.
        bundle: The bundle.
        record: Names the file.

    Raises:
        DataError: If it is another model's.
    """
    wanted, noun = bundle.output, bundle.modality.noun[1]
    width = model.outputs.get(wanted.name)
    if model.shape != bundle.input.shape or width != wanted.width:
        raise DataError(
            f"The export '{record.name}' takes {noun} of {model.shape} and answers with "
            f"{dict(model.outputs)}; the bundle's model takes {bundle.input.shape} and answers "
            f"with { ({wanted.name: wanted.width}) }. Export again with --overwrite."
        )
    told = contract.output
    if told.class_names != wanted.class_names:
        raise DataError(
            f"The export '{record.name}' carries the labels {listed(told.class_names)}, the "
            f"bundle {listed(wanted.class_names)}. Export again with --overwrite."
        )
    if told != wanted:
        raise DataError(
            f"The export '{record.name}' answers with {told}, the bundle's model with {wanted}. "
            "Export again with --overwrite."
        )
    # Away from its bundle a file is used with its own policy; without any that is the default.
    read = bundle.modality.preparation
    policy, expected = read(contract.input.preparation), read(bundle.input.preparation)
    if policy != expected:
        raise DataError(
            f"The export '{record.name}' says that {noun} are decoded by {policy}, and the "
            f"bundle's model takes those of {expected}. Export again with --overwrite."
        )


def _shown(held_out: AnsweredPhotos) -> Iterator[np.ndarray]:
    """Yield what is asked about, and show how far it is."""
    with bar("verifying") as show:
        for done, one in enumerate(held_out.inputs, start=1):
            yield one
            show(done, len(held_out.names))


def _compare(
    answers: np.ndarray, held_out: AnsweredPhotos, class_names: tuple[str, ...]
) -> dict[str, object]:
    labels, reference = held_out.labels, held_out.scores
    finite = np.isfinite(answers).all(axis=1)
    # A photo that is answered with NaN has no top class and is wrong.
    top, reference_top = top_classes(answers), reference.argmax(axis=1)
    right, reference_right = top == labels, reference_top == labels
    gaps = np.abs(answers[finite] - reference[finite])
    lost, gained = int(np.sum(reference_right & ~right)), int(np.sum(right & ~reference_right))
    return {
        "photos": len(labels),
        "agreement": float(np.mean(top == reference_top)),
        "accuracy": float(np.mean(right)),
        "reference_accuracy": float(np.mean(reference_right)),
        "accuracy_difference": float(np.mean(right) - np.mean(reference_right)),
        "difference_interval": paired_difference_interval(right, reference_right),
        "difference_bootstrap": finite_or_none(bootstrap_difference(right, reference_right)),
        "lost": lost,
        "gained": gained,
        "mcnemar_p": mcnemar_p_value(lost, gained),
        "largest_gap": float(gaps.max()) if gaps.size else 0.0,
        "classes": compare_classes(labels, right, reference_right, class_names),
        "flips": find_flips(held_out.names, labels, reference, answers, class_names),
    }
