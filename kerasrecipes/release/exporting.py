"""From a bundle to an exported file that was verified before anyone can use it."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasrecipes.arguments import named
from kerasrecipes.bundles.decision import Decision
from kerasrecipes.bundles.export_record import ExportRecord
from kerasrecipes.bundles.export_seal import (
    EXPORT_SEAL,
    EXPORTS,
    RECORD_FILE,
    Seal,
    read_seal,
    sealing,
)
from kerasrecipes.console import warn
from kerasrecipes.errors import (
    IntegrityError,
    VerificationError,
    did_you_mean,
    listed,
    printable,
)
from kerasrecipes.export.checks import check_backend
from kerasrecipes.export.decisions import decision_outputs
from kerasrecipes.files import (
    TemporaryFolder,
    digest,
    held,
    put_in_place,
    sync_folder,
    told_plainly,
)

if TYPE_CHECKING:
    from kerasrecipes.bundles.bundle import BundleFolder
    from kerasrecipes.export.format import ExportFormat
    from kerasrecipes.photos.photo_set import PhotoSet
    from kerasrecipes.verify import Tolerance, Verification


@named
def export_model(
    bundle: "BundleFolder",
    format: str = "tflite",
    quantization: str | None = None,
    *,
    photos: "PhotoSet | None" = None,
    tolerance: "Tolerance | None" = None,
    overwrite: bool = False,
    temperature: float = 1.0,
    threshold: Mapping[str, float] | None = None,
    decide: bool = False,
    content: bytes | None = None,
    **options: object,
) -> ExportRecord:
    """Write a bundle's model in another format, verify the file, and add it to the bundle.

    Args:
        bundle: The bundle to export; the file goes to `exports/<format>-<quantization>/`.
        format: One of `kerasrecipes.list_formats()`.
        quantization: What the format offers, e.g. `"float32"`, `"float16"`, `"dynamic"`, `"int8"`,
            `"int4"`; `None` for what is usual: `"float32"`, and `"dynamic"` for a `.tflite` file
            of a model for texts.
        photos: Held-out photos to verify on, besides the golden photos of the bundle; the
            numbers are then theirs.
        tolerance: How far the file may differ; by default strict for the quantization.
        overwrite: Replace an export of the same name.
        temperature: Calibrates the file's scores: its logits are divided by this number, which
            `temperature_scale` finds. Fit it again for a quantized file.
        threshold: Of a model with two classes, one class to the probability (after `temperature`)
            from which it is to be chosen. The file's top class then follows it, and its scores
            are no probabilities any more; see `kerasrecipes.bundles.decision`.
        decide: Let the file say, besides its scores, what they mean: `decision` is the index of
            the class, −1 where a person is to be asked, or for each label 0 or 1; `alarm` is 0 or
            1, if the model has one.
        content: The file's bytes, if it was written before, e.g. by `quantize`; they are
            checked and verified like any others. Only for `"tflite"`, without `options`.
        **options: What only this format takes, see `ExportFormat.options` and the `write` of its
            module: `signatures` for `"tflite"`, e.g. `("embed", "train")`, and `keep_float`, e.g.
            0.05, for its `"int8"`; `version` for `"saved_model"`, by default that of the bundle.

    Returns:
        The record of the new file; its `verification` holds all numbers.

    Raises:
        ValueError: If a name or an option is unknown, `temperature` or `threshold` cannot be
            used with this model, or the export exists and `overwrite` is off.
        DataError: If `photos` or the calibration photos do not fit the model.
        VerificationError: If the file is not the same model within `tolerance`, or `content` is
            not what `quantization` says. Nothing is added.
        IntegrityError: If files of the bundle changed.
    """
    from kerasrecipes.data.inference import predict_scores
    from kerasrecipes.verify.checking import judge_export
    from kerasrecipes.verify.held_out import hold_out

    chosen, quantization = _chosen_format(bundle, format, quantization)
    options = _checked_options(chosen, options, bundle, content, decide)
    decision = _checked_decision(Decision(temperature, threshold), bundle, content)
    target = _target(bundle, f"{format}-{quantization}", overwrite)
    _check_backend(bundle, format, quantization)
    model = bundle.load_model()
    # The golden photos must pass in any case: `verify` will judge by them later.
    sides = [lambda: hold_out(bundle)]
    if photos is not None:
        given = bundle.scan(photos)
        scores = predict_scores(model, given)
        sides.append(lambda: hold_out(bundle, given, scores))
    decision.fold(model, bundle.class_names)
    facts = _facts(bundle, decision, quantization, decide)
    with _folder_in_the_making(bundle, target, overwrite) as folder:
        path = folder / f"model{chosen.suffix}"
        _write(chosen, model, path, content, {**facts, **options})
        record = ExportRecord.of(path, format, quantization, decision)
        *_, found = [_passed(one) for one in judge_export(bundle, record, sides, tolerance)]
        record = replace(record, verification=found.to_dict())
        record.write()
    return replace(record, folder=target)


def _chosen_format(
    bundle: "BundleFolder", format: str, quantization: str | None
) -> "tuple[ExportFormat, str]":
    from kerasrecipes.export import get_format
    from kerasrecipes.export.checks import check_quantization

    chosen, modality = get_format(format), bundle.modality
    if quantization is None:
        usual = modality.quantization
        quantization = usual if usual in chosen.quantizations else chosen.quantizations[0]
    check_quantization(quantization, chosen.quantizations)
    if why := modality.refused.get(quantization):
        raise ValueError(
            f"`quantization={quantization!r}` cannot be had of a model for {modality.name}: {why}."
        )
    return chosen, quantization


def _checked_decision(
    decision: Decision, bundle: "BundleFolder", content: bytes | None
) -> Decision:
    if decision.changes and bundle.output.task != "classification":
        raise ValueError(
            "`temperature` and `threshold` change the probabilities of classes, and this model "
            f"answers a question of the task {bundle.output.task!r}. Leave them out."
        )
    decision.check(bundle.class_names)
    output = bundle.output
    if decision.changes and not (output.alarm is None and output.rule is None):
        does = "raises its alarm" if output.rule is None else "decides what it answers"
        raise ValueError(
            f"`temperature` and `threshold` change the scores by which this model {does}. Leave "
            "them out: the file says itself from which score on it acts."
        )
    if content is not None and decision.changes:
        raise ValueError(
            "`temperature` and `threshold` have no effect on `content`, a file that was written. "
            "Leave them out, or leave out `content` and let the file be written anew."
        )
    return decision


def _check_decide(
    decide: bool, bundle: "BundleFolder", content: bytes | None, options: dict[str, object]
) -> None:
    """Refuse decisions in a file that cannot have them, before any work."""
    if not decide:
        return
    decision_outputs(bundle.output)
    if content is not None or options.get("signatures"):
        other = "`signatures`" if content is None else "`content`"
        raise ValueError(
            f"`decide` adds outputs to a file that is written anew, and not with {other}. Leave "
            "one of them out."
        )


def _facts(
    bundle: "BundleFolder", decision: Decision, quantization: str, decide: bool
) -> dict[str, object]:
    """Return what every format is told of a model."""
    folder = Path(bundle.folder)
    changed = f"; {decision}" if decision.changes else ""
    contract = bundle.contract(f"{folder.parent.name}, version {folder.name}{changed}")
    if decide:
        outputs = (*contract.outputs, *decision_outputs(bundle.output))
        contract = contract.model_copy(update={"outputs": outputs})
    return {
        "contract": contract,
        "quantization": quantization,
        "calibration": bundle.calibration() if quantization == "int8" else None,
    }


def _write(
    chosen: "ExportFormat", model: object, path: Path, content: bytes | None, told: dict
) -> None:
    if content is None:
        chosen.write(model, path, **told)
    else:
        _content_check(chosen)(content, model, told["quantization"])
        path.write_bytes(content)


def _content_check(chosen: "ExportFormat") -> Callable[..., object]:
    """Return what judges a file that was written before, if the format takes such."""
    if chosen.check_content is None:
        raise ValueError(
            f"The format '{chosen.name}' takes no `content`. Leave it out, and let the file be "
            "written."
        )
    return chosen.check_content


def _check_without_options(chosen: "ExportFormat", options: dict[str, object]) -> None:
    """Refuse what a file that was written before cannot follow any more."""
    _content_check(chosen)
    if options:
        raise ValueError(
            f"{listed(sorted(options))} would have no effect on `content`, a file that was "
            "written. Leave them out, or leave out `content` and let the file be written anew."
        )


def _checked_options(
    chosen: "ExportFormat",
    options: dict[str, object],
    bundle: "BundleFolder",
    content: bytes | None,
    decide: bool,
) -> dict[str, object]:
    """Refuse options that the format does not know, before any work."""
    _check_signatures(options.get("signatures"), bundle)
    for name in options.keys() - set(chosen.options):
        known = f"It takes {listed(chosen.options)}." if chosen.options else "It takes none."
        raise ValueError(
            f"`{name}` is no option of the format '{chosen.name}'."
            f"{did_you_mean(name, chosen.options)} {known}"
        )
    _check_decide(decide, bundle, content, options)
    if content is not None:
        _check_without_options(chosen, options)
    if "version" in chosen.options and Path(bundle.folder).name.isdecimal():
        return {"version": int(Path(bundle.folder).name), **options}
    return options


def _check_signatures(asked: Any, bundle: "BundleFolder") -> None:
    """Refuse what a file cannot do besides for its kind of data; of photos, its format judges."""
    modality = bundle.modality
    if not asked or modality.name == "photos":
        return
    if not modality.signatures:
        raise ValueError(
            f"`signatures` are for models for photos so far, and this one is for {modality.name}. "
            "Leave them out."
        )
    if tuple(asked) != modality.signatures:
        raise ValueError(
            f"`signatures` of a model for {modality.name} can be {modality.signatures!r}, not "
            f"{asked!r}."
        )


def _check_backend(bundle: "BundleFolder", format: str, quantization: str) -> None:
    check_backend(
        "An export",
        f"Run: KERAS_BACKEND=tensorflow kerasrecipes export {printable(bundle.folder)} "
        f"--format {format} --quantization {quantization}",
    )


def _target(bundle: "BundleFolder", name: str, overwrite: bool) -> Path:
    target = Path(bundle.folder) / EXPORTS / name
    if target.exists() and not overwrite:
        raise ValueError(
            f"'{printable(target)}' exists already. Pass overwrite=True (--overwrite) to "
            "replace it."
        )
    return target


def _passed(found: "Verification") -> "Verification":
    if found.failures:
        raise VerificationError(
            f"The export '{found.name}' was not added to the bundle: {'; '.join(found.failures)}."
        )
    return found


@contextlib.contextmanager
def _folder_in_the_making(bundle: "BundleFolder", target: Path, overwrite: bool) -> Iterator[Path]:
    """Give a hidden folder that becomes `target` if the block succeeds, and vanishes if not."""
    with told_plainly(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFolder(target.parent) as outer:
            folder = outer / target.name
            folder.mkdir()
            yield folder
            sync_folder(folder)
            sha256 = digest(folder / RECORD_FILE)
            with held(target.parent):
                _target(bundle, target.name, overwrite)  # another writer may have been quicker
                with sealing(bundle.folder, _seal(bundle), target.name, sha256):
                    put_in_place(folder, target)


def _seal(bundle: "BundleFolder") -> Seal:
    """Return what vouches for the exports so far."""
    try:
        found = read_seal(bundle.folder)
    except IntegrityError as error:
        warn(f"{error} A new seal vouches for this export alone.")
        return {}
    if found is not None:
        return found
    records = sorted((bundle.folder / EXPORTS).glob(f"[!.]*/{RECORD_FILE}"))
    if not bundle.manifest.exports_sealed:
        return {path.parent.name: (digest(path),) for path in records}
    if records:
        names = listed(path.parent.name for path in records)
        warn(
            f"'{printable(bundle.folder / EXPORTS)}' has lost '{EXPORT_SEAL}', which vouched for "
            f"{names}. A new seal vouches for this export alone."
        )
    return {}
