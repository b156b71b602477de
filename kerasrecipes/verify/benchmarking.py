"""Measuring every export of a bundle alike: what each costs, and what it still knows."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.bundles.export_record import ExportRecord, no_exports, opened
from kerasrecipes.console import bar
from kerasrecipes.data.examples import Examples
from kerasrecipes.data.modality import get_modality
from kerasrecipes.errors import DataError, VerificationError
from kerasrecipes.evaluation.scores import group_numbers
from kerasrecipes.export import get_format
from kerasrecipes.export.footprint import measure_footprint
from kerasrecipes.heads import get_task
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.intervals import units_of
from kerasrecipes.verify.benchmark import Benchmark, Variant
from kerasrecipes.verify.benchmark_notes import find_notes
from kerasrecipes.verify.checking import check_interface, refuse_incomplete
from kerasrecipes.verify.comparing import mean_quality
from kerasrecipes.verify.held_out import Answered, hold_out, unseen_photos
from kerasrecipes.verify.latency import Latency, calls_by_threads, check_timing, time_in_turns

if TYPE_CHECKING:
    from kerasrecipes.bundles.bundle import BundleFolder

_SECONDS_EACH = 4.0
ORIGINAL = "the original model"


@named
def benchmark_bundle(
    bundle: "BundleFolder | str | Path",
    photos: Examples | str | Path | None = None,
    *,
    threads: Sequence[int] = (1, 2),
    runs: int = 100,
    profile: bool = False,
) -> Benchmark:
    """Measure size, memory, time and quality of every export of a bundle.

    With photos, the answers of a float32 export stand for those of the original model, so that
    tensorflow is not needed; without such an export, the original is loaded.

    Args:
        bundle: A bundle, or its folder; a model's folder stands for its latest version.
        photos: Photos to judge by, or where they are; those that the model learned from are
            left out, and where a test split is declared, only that is used. By default the
            golden photos of the bundle.
        threads: The numbers of CPU threads to time. All exports take turns.
        runs: Timed runs each, ≥ 10; fewer when the models are slow.
        profile: Also time the operators inside the files.

    Returns:
        The numbers; print them, or `plot()` them.

    Raises:
        ValueError: If `runs` or `threads` cannot be used.
        DataError: If the bundle has no exports, or no photo fits the model.
        VerificationError: If a file cannot run.
        IntegrityError: If a file of the bundle was changed, added or removed.
    """
    from kerasrecipes.bundles.bundle import BundleFolder

    check_timing(threads, runs)
    bundle = BundleFolder.load(bundle)
    with ExitStack() as copies:
        records = _complete_exports(bundle, copies)
        held_out, reference, left_out = _judges(bundle, photos, records)
        answers = _score(bundle, records, held_out)
        expected = held_out.answers if reference == ORIGINAL else answers[reference]
        latencies = _time(records, threads, runs)
        variants = tuple(
            _variant(bundle, record, held_out, expected, answers[record.name], latencies)
            for record in records
        )
        profiles, problems = _profile(records) if profile else ({}, [])
    output, count, groups = bundle.output, len(held_out.targets), held_out.groups
    known = mean_quality(get_task(output.task).quality(held_out.targets, expected, output), groups)
    return Benchmark(
        folder=str(bundle.folder),
        photos=count,
        golden=photos is None,
        left_out=left_out,
        reference=reference,
        original_accuracy=known if reference == ORIGINAL else None,
        variants=variants,
        profiles=profiles,
        notes=(*find_notes(variants, count, golden=photos is None), *problems),
        task=output.task,
        unit=output.unit,
        groups=units_of(groups),
        noun=get_modality(bundle.manifest.modality).noun,
    )


def _judges(
    bundle: "BundleFolder", photos: Examples | str | Path | None, records: list[ExportRecord]
) -> tuple[Answered, str, int]:
    """Return what to judge by, whose answers are the original's, and how many are left out."""
    if photos is None:
        return hold_out(bundle), ORIGINAL, 0
    chosen, left_out = unseen_photos(bundle, photos)
    reference = _stand_in(records)
    return _given(bundle, chosen, with_scores=reference == ORIGINAL), reference, left_out


def _complete_exports(bundle: "BundleFolder", copies: ExitStack) -> list[ExportRecord]:
    """Open the exports, none of which was changed or lacks something, until `copies` ends."""
    records = [copies.enter_context(opened(one, bundle)) for one in bundle.exports().values()]
    if not records:
        raise DataError(no_exports(bundle))
    for record in records:
        refuse_incomplete(get_format(record.format).inspect(record.path), record)
    return records


def _stand_in(records: list[ExportRecord]) -> str:
    """Name the export whose answers are those of the original model."""
    exact = [
        record.name
        for record in records
        if record.quantization == "float32" and not record.decision.changes
    ]
    return min(exact, key=lambda name: (name != "tflite-float32", name), default=ORIGINAL)


def _given(bundle: "BundleFolder", photos: Examples, with_scores: bool) -> Answered:
    if with_scores:
        from kerasrecipes.data.inference import predict_scores

        get_task(bundle.output.task).targets(photos, bundle.output)  # before the model is loaded
        return hold_out(bundle, photos, predict_scores(bundle.load_model(), photos))
    inputs, names = photos.each(bundle.input.shape), [item.name for item in photos.items]
    targets = get_task(bundle.output.task).targets(photos, bundle.output)
    groups = group_numbers(photos.groups, len(photos))
    return Answered(names, targets, np.empty((0, 0)), inputs, groups)


def _score(
    bundle: "BundleFolder", records: list[ExportRecord], held_out: Answered
) -> dict[str, np.ndarray]:
    """Ask every export about every photo, which is decoded once for all."""
    models = {}
    for record in records:
        chosen = get_format(record.format)
        models[record.name] = chosen.load(record.path)
        contract = chosen.read_contract(record.path)
        check_interface(models[record.name], contract, bundle, record)
    rows: dict[str, list[np.ndarray]] = {name: [] for name in models}
    with bar("asking the exports") as show:
        for done, one in enumerate(held_out.inputs, start=1):
            for name, model in models.items():
                rows[name].append(model(one[None])[bundle.output.name][0])
            show(done, len(held_out.names))
    return {name: np.stack(found) for name, found in rows.items()}


def _time(
    records: list[ExportRecord], threads: Sequence[int], runs: int
) -> dict[tuple[str, int], Latency]:
    calls = {
        (record.name, count): call
        for record in records
        for count, call in calls_by_threads(get_format(record.format), record.path, threads).items()
    }
    return time_in_turns(calls, runs, max_seconds=_SECONDS_EACH * len(calls))


def _variant(
    bundle: "BundleFolder",
    record: ExportRecord,
    held_out: Answered,
    expected: np.ndarray,
    answers: np.ndarray,
    latencies: dict[tuple[str, int], Latency],
) -> Variant:
    facts = get_format(record.format).inspect(record.path)
    footprint = measure_footprint(record.path, record.format)
    output, task = bundle.output, get_task(bundle.output.task)
    targets, groups = held_out.targets, held_out.groups
    wanted = record.decision.apply(expected, bundle.class_names)
    recalls = _recalls(held_out, task.right(targets, answers, output), output.class_names)
    worst = min(recalls, key=lambda name: (recalls[name].value, recalls[name].low), default="")
    return Variant(
        name=record.name,
        quantization=record.quantization,
        size_bytes=record.size_bytes,
        load_ms=footprint.load_ms,
        memory_bytes=footprint.memory_bytes,
        latency={n: found for (name, n), found in latencies.items() if name == record.name},
        accuracy=mean_quality(task.quality(targets, answers, output), groups),
        agreement=float(np.mean(task.agree(wanted, answers, output))),
        worst_class=worst,
        worst_recall=recalls.get(worst),
        int8_fraction=facts.int8_fraction,
        int8_work_fraction=facts.int8_work_fraction,
        ops=facts.ops,
    )


def _recalls(
    held_out: Answered, right: np.ndarray | None, class_names: Sequence[str]
) -> dict[str, Estimate]:
    """Return the share of each class that is found; nothing where there are no classes."""
    if right is None:
        return {}
    found = {}
    for k, name in enumerate(class_names):
        if (rows := held_out.targets == k).any():
            groups = None if held_out.groups is None else held_out.groups[rows]
            found[name] = mean_quality(right[rows], groups)
    return found


def _profile(records: list[ExportRecord]) -> tuple[dict[str, tuple], list[str]]:
    """Profile what can be profiled, and say what cannot."""
    profiles, problems = {}, []
    for record in records:
        run = get_format(record.format).profile
        if run is None:
            problems.append(f"{record.name} has no profile: its runtime does not offer one.")
            continue
        try:
            profiles[record.name] = run(record.path)
        except VerificationError as error:
            problems.append(str(error))
    return profiles, problems
