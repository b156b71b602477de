"""Running an exported file on held-out photos and comparing it with the original model."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.bundles.contract import Contract
from kerasrecipes.bundles.export_record import ExportRecord, no_exports, opened
from kerasrecipes.bundles.export_seal import RECORD_FILE
from kerasrecipes.console import bar
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.errors import (
    DataError,
    IntegrityError,
    VerificationError,
    listed,
    printable,
    unknown_name,
)
from kerasrecipes.export import GraphFacts, LoadedModel, get_format
from kerasrecipes.export.footprint import measure_footprint
from kerasrecipes.export.format import ask_all
from kerasrecipes.statistics.shown import in_words_of
from kerasrecipes.verify.comparing import compare
from kerasrecipes.verify.held_out import Answered, hold_out
from kerasrecipes.verify.latency import benchmark_export
from kerasrecipes.verify.others import compare_others
from kerasrecipes.verify.tolerance import Tolerance
from kerasrecipes.verify.verification import Verification, find_failures

if TYPE_CHECKING:
    from kerasrecipes.bundles.bundle import BundleFolder
    from kerasrecipes.photos.photo_set import PhotoSet


@named
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
    # A record that was given is to be judged itself, and not what has replaced it.
    again = None if isinstance(export, ExportRecord) else bundle
    with opened(record, again) as copy:
        tolerance = tolerance or _recorded_tolerance(copy, record.folder)
        return judge_export(bundle, copy, [lambda: hold_out(bundle, photos, scores)], tolerance)[0]


def judge_export(
    bundle: "BundleFolder",
    record: ExportRecord,
    sides: Sequence[Callable[[], Answered]],
    tolerance: Tolerance | None = None,
) -> list[Verification]:
    """Judge a file, whose digest was checked, on several sets; it is opened and timed once.

    Args:
        bundle: The bundle that the file belongs to.
        record: Its record.
        sides: Each returns examples with the answers of the original, before `record.decision`.
        tolerance: The limits; by default strict ones.

    Returns:
        A verification for each set.

    Raises:
        DataError: If examples do not fit the model.
        VerificationError: If the file cannot run at all.
    """
    tolerance = tolerance or Tolerance.for_quantization(record.quantization)
    chosen = get_format(record.format)
    facts = chosen.inspect(record.path)
    refuse_incomplete(facts, record)
    model = chosen.load(record.path)
    contract = chosen.read_contract(record.path)
    check_interface(model, contract, bundle, record)
    said = [one for one in contract.outputs if one.decides]
    numbers = [_judged(model, side(), bundle, record, tolerance, said) for side in sides]
    footprint = measure_footprint(record.path, record.format)
    costs: dict[str, Any] = {
        "size_bytes": record.size_bytes,
        "latency": benchmark_export(record.path),
        "ops": facts.ops,
        "int8_fraction": facts.int8_fraction,
        "int8_work_fraction": facts.int8_work_fraction,
        "non_builtin_ops": len(facts.custom_ops),
        "load_ms": footprint.load_ms,
        "memory_bytes": footprint.memory_bytes,
    }
    return [Verification(record.name, tolerance=tolerance, **found, **costs) for found in numbers]


def _judged(
    model: LoadedModel,
    held_out: Answered,
    bundle: "BundleFolder",
    record: ExportRecord,
    tolerance: Tolerance,
    said: Sequence[OutputSpec],
) -> dict[str, Any]:
    """Return what a file's answers to one set are worth, and which limits they break."""
    expected = record.decision.apply(held_out.answers, bundle.class_names)
    held_out = replace(held_out, answers=expected)
    found = ask_all(model, _shown(held_out))
    answers = found[bundle.output.name]
    decided = {output.name: found[output.name] for output in said}
    numbers = compare(answers, held_out, bundle.output, decided)
    bad_rows = int(np.sum(~np.isfinite(answers).all(axis=1)))
    noun = bundle.modality.noun
    failures = find_failures(numbers, tolerance, bad_rows)
    others = compare_others(found, held_out.others, bundle.manifest.outputs[1:], tolerance)
    told = tuple(in_words_of(noun, failure) for failure in (*failures, *others))
    return {**numbers, "failures": told, "noun": noun[0]}


@named
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
        raise DataError(no_exports(bundle))
    with ExitStack() as stack:
        copies = [stack.enter_context(opened(one, bundle)) for one in records.values()]
        tolerances = [
            _recorded_tolerance(copy, record.folder)
            for copy, record in zip(copies, records.values(), strict=True)
        ]
        judged = zip(copies, tolerances, strict=True)
        golden = [lambda: hold_out(bundle)]
        return [judge_export(bundle, copy, golden, limits)[0] for copy, limits in judged]


def _record(bundle: "BundleFolder", export: ExportRecord | str) -> ExportRecord:
    if isinstance(export, ExportRecord):
        return export
    records = bundle.exports()
    if not records:
        raise DataError(no_exports(bundle))
    if export not in records:
        raise unknown_name("export", export, records, "Bundle.exports()")
    return records[export]


def _recorded_tolerance(record: ExportRecord, folder: Path) -> Tolerance:
    """Return the limits that a record tells of; it was read in `folder`."""
    if not record.verification:
        return Tolerance.for_quantization(record.quantization)
    try:
        return Verification.from_dict(record.verification).tolerance
    except DataError as error:
        raise IntegrityError(
            f"'{printable(folder / RECORD_FILE)}' was changed: its verification is not one "
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
    # What says what the scores mean is the file's own.
    given = tuple(output for output in contract.outputs if not output.decides)
    if told != wanted or given != bundle.manifest.outputs:
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


def _shown(held_out: Answered) -> Iterator[np.ndarray]:
    """Yield what is asked about, and show how far it is."""
    with bar("verifying") as show:
        for done, one in enumerate(held_out.inputs, start=1):
            yield one
            show(done, len(held_out.names))
