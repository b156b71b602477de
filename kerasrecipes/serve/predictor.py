"""Labels for photos or texts, from the file that also runs on the phone. Without tensorflow."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.bundles.export_record import ExportRecord, no_exports, opened
from kerasrecipes.console import warn
from kerasrecipes.data.examples import NUMBER
from kerasrecipes.data.modality import Modality, get_modality
from kerasrecipes.data.shapes import even_grid
from kerasrecipes.errors import DataError, is_number, listed, printable, unknown_name
from kerasrecipes.export import ExportFormat, LoadedModel, find_format, get_format
from kerasrecipes.export.checks import check_loaded
from kerasrecipes.export.tflite.runtime import TFLiteModel
from kerasrecipes.heads import get_task
from kerasrecipes.photos.decoding.names import looks_like_a_photo
from kerasrecipes.serve.sources import Sources, as_several, in_order

if TYPE_CHECKING:
    from kerasrecipes.bundles.bundle import BundleFolder


_THREADS = 2


@dataclass(frozen=True)
class Prediction:
    """What the model says about one photo or text, or why it says nothing.

    Args:
        path: The photo, or the text; empty when bytes were given.
        label: The class that is answered, that of the highest score unless the model's bundle says
            otherwise; empty after an error, or where the answer is left to a person.
        score: Its score, 0…1.
        scores: Class to score, highest first.
        error: Why the photo could not be used; empty when all is well.
        labels: The labels that apply, highest score first, where a photo may have several; else
            `None`. `label` has them in one, and `score` is the lowest of theirs.
        number: The number, where that is what the model answers with; else `None`.
        unit: Its unit.
        alarm: Whether to raise an alarm, where the model has an operating point; else `None`.
        novelty: How unlike good photos, or texts of known classes, it is, where the model tells;
            else `None`.
        is_new: Whether that is further than the model's threshold; else `None`.
        abstained: Whether the answer is left to a person, where the model may do so; else `None`.
        where: Of a model for tiles, where the one lies that looks most like a defect: top, left,
            bottom and right in what the model takes, in pixels; else `None`.
    """

    path: str
    label: str = ""
    score: float = 0.0
    scores: Mapping[str, float] = field(default_factory=dict)
    error: str = ""
    labels: tuple[str, ...] | None = None
    number: float | None = None
    unit: str = ""
    alarm: bool | None = None
    novelty: float | None = None
    is_new: bool | None = None
    abstained: bool | None = None
    where: tuple[int, int, int, int] | None = None

    @property
    @named
    def said(self) -> str:
        """The answer in a few words: a score and its label, or a number and its unit."""
        if self.number is not None:
            return f"{self.number:10.4g} {printable(self.unit)}".rstrip()
        label = printable(self.label) if self.labels != () else "–"
        if self.abstained:
            label = f"abstain: ask a person ({printable(next(iter(self.scores), ''))}?)"
        flags = "  ALARM" * bool(self.alarm) + "  NEW" * bool(self.is_new)
        return f"{self.score:6.1%}  {label}{flags}"

    @named
    def to_dict(self) -> dict[str, object]:
        """Return the prediction as plain values for JSON; without what there is none of."""
        found = asdict(self)
        labels, number, unit = (found.pop(name) for name in ("labels", "number", "unit"))
        for name in ("alarm", "novelty", "is_new", "abstained", "where"):
            if found[name] is None:
                del found[name]
        if labels is not None:
            found["labels"] = list(labels)
        if number is not None:
            found = {"path": self.path, "number": number, "unit": unit, "error": self.error}
        return found


@named
class Predictor:
    """Predict with the exported file of a bundle, or with a lone `.tflite` or `.onnx` file.

    From a bundle, the digest is checked before the file is opened, and photos are decoded, and
    texts read, as in training. A lone file of this package carries what that takes inside.
    What it answers with is `output`; what it takes, `input`; the opened file is `model`. Threads
    may share one.

    Args:
        model: A `Bundle`, its folder, or a `.tflite` or `.onnx` file.
        threads: Number of CPU threads of one call, by default 2. A SavedModel takes all cores and
            no number.
        export: Which export of the bundle, e.g. `"tflite-float32"`. By default the smallest
            verified `.tflite`, which is what a phone would get, or else the smallest of all.

    Raises:
        DataError: If the bundle has no verified export, or the file carries no labels.
        ValueError: If the bundle has no export of that name, or `threads` cannot be used.
        IntegrityError: If a file of the bundle changed, or the lone file is damaged.
    """

    def __init__(
        self,
        model: "BundleFolder | str | Path",
        threads: int | None = None,
        export: str | None = None,
    ):
        if isinstance(model, str | Path) and Path(model).is_file():
            path = Path(model)
            _check_lone_file(path, export)
            chosen = _format_of(path)
            contract = chosen.read_contract(path)
            self.export = path.name
            self.model = _loaded(chosen, path, threads)
        else:
            bundle = _load(model)
            record = chosen_export(bundle, export)
            self.export, contract = record.name, bundle.contract()
            with opened(record, bundle) as copy:
                self.model = _loaded(get_format(record.format), copy.path, threads)
            if isinstance(self.model, TFLiteModel):
                self.model.name = str(record.path)  # it was opened from a copy that is gone
        self.input = check_loaded(self.model, contract, self.export)
        self.output, self.others = contract.output, contract.outputs[1:]
        self._modality, self._task = get_modality(contract.modality), get_task(self.output.task)

    @property
    @named
    def class_names(self) -> tuple[str, ...]:
        """The classes or labels, in the order of the scores; none where it answers a number."""
        return self.output.class_names

    @property
    def modality(self) -> Modality:
        """The kind of data that it reads."""
        return self._modality

    @property
    def reads_texts(self) -> bool:
        """Whether a `str` is what it answers, rather than a path."""
        return self._modality.written

    @named
    def predict(self, photos: Any, top: int | None = None, *, workers: int = 1) -> list[Prediction]:
        """Predict photos, folders of photos, or both; or texts.

        Args:
            photos: One or several of: paths of photos and folders (searched with their subfolders;
                links are not followed), patterns such as `"photos/*.jpg"`, what holds photos (tar,
                Parquet, Arrow and TFRecord files, and folders of `save_to_disk`), the bytes of
                photos, arrays of one photo or several, Pillow pictures, open files. For a model for
                texts, the texts; a `Path` is a `.txt` file with one text, or a folder of such.
            top: Keep only this many classes in `scores`; all by default.
            workers: Number of threads that read and predict at the same time.

        Returns:
            One prediction per photo, in order. A photo that cannot be used gets one with the
            reason in `error`; the others are not affected.

        Raises:
            ValueError: If `top` or `workers` is not a positive whole number.
        """
        return list(self.iterate(photos, top, workers=workers))

    @named
    def iterate(
        self, photos: Any, top: int | None = None, *, workers: int = 1
    ) -> Iterator[Prediction]:
        """Predict like `predict`, one at a time, for folders of any size.

        Args:
            photos: As in `predict`.
            top: As in `predict`.
            workers: As in `predict`.

        Returns:
            An iterator over the predictions, in order.

        Raises:
            ValueError: If `top` or `workers` is not a positive whole number.
        """
        for name, value in (("top", top), ("workers", workers)):
            if value is not None and not is_number(value, 1, math.inf, whole=True):
                raise ValueError(f"`{name}` must be a whole number ≥ 1, received {value!r}.")
        sources = Sources(self._modality, self._modality.preparation(self.input.preparation))
        each = (one for source in as_several(photos) for one in sources.each(source))
        return in_order(partial(self._answer, top), each, workers)

    @named
    def stream(
        self, recording: str | Path | bytes | Iterable[Sequence[float]], top: int | None = None
    ) -> Iterator[Prediction]:
        """Answer after each step of a recording, with the state of those before it.

        It needs a file that was exported with `signatures=("step",)`. After the last step the
        answer is that of the whole.

        Args:
            recording: A file, its bytes, or the values of one step after the other.
            top: As in `predict`.

        Returns:
            An iterator over the predictions; `path` is the number of the step.

        Raises:
            DataError: If the file cannot answer step by step, or the recording cannot be used.
        """
        steps = self.model.stepper() if isinstance(self.model, TFLiteModel) else None
        if steps is None:
            raise DataError(
                f"'{printable(self.export)}' cannot answer step by step: only .tflite files can, "
                "exported with signatures=('step',) (--signatures step) of a causal model."
            )
        values: Iterable[Any] = (
            self._modality.decode(recording, self.input)
            if isinstance(recording, str | Path | bytes)
            else recording
        )
        channels = self.input.shape[-1]
        for number, one in enumerate(values):
            if len(one) != channels:
                raise DataError(
                    f"Step {number} has {len(one)} values, and the model reads {channels} channels."
                )
            yield self.read(steps.feed(np.asarray(one, np.float32)), f"step {number}", top)

    def _answer(self, top: int | None, named: tuple[str, Any]) -> Prediction:
        name, source = named
        try:
            if isinstance(source, DataError):
                raise source
            one = self.decode(source)
        except DataError as error:
            return Prediction(name, error=str(error))
        return self.read(self.model(one[None]), name, top)

    @named
    def decode(self, source: str | Path | bytes) -> np.ndarray:
        """Turn one photo or text into what the file takes, as in training.

        Args:
            source: A file, its bytes, or a text.

        Returns:
            An array of the shape and dtype that `input` says.

        Raises:
            DataError: If it cannot be read.
        """
        return self._modality.decode(source, self.input)

    def measure(self, example: np.ndarray) -> dict[str, float]:
        """Measure what drift is watched by, e.g. the light of a photo; see `Modality.measure`.

        Args:
            example: What `decode` returned.
        """
        return self._modality.measure(example)

    def read(
        self, answers: Mapping[str, np.ndarray], name: str = "", top: int | None = None
    ) -> Prediction:
        """Put the answers to one example into words.

        Args:
            answers: What `model` says, one row each.
            name: What to call the example.
            top: Keep only this many classes in `scores`; all by default.
        """
        answer = answers[self.output.name][0]
        if not np.isfinite(answer).all():
            return Prediction(name, error="The model answers with NaN or infinity. Verify it.")
        found = self._task.decode(answer, self.output)
        if self._task.target == NUMBER:
            return Prediction(name, number=found.score, unit=self.output.unit)
        kept = dict(list(found.scores.items())[:top])
        alarm = self.output.alarm
        raised = None if alarm is None else bool(alarm.raised(answer[None], self.class_names)[0])
        said = found.label, found.score, kept
        new = self._novelty(answers)
        return Prediction(
            name, *said, labels=found.labels, alarm=raised, abstained=found.abstained, **new
        )

    def _novelty(self, answers: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Return how new a photo is, or which tile of it is worst, if the model tells."""
        for output in self.others:
            if output.task == "novelty":
                score = float(answers[output.name][0, 0])
                return {"novelty": score, "is_new": score >= output.thresholds[0]}
            if output.tile is not None and output.shape is not None:
                height, width = self.input.shape[0] or 0, self.input.shape[1] or 0
                grid = even_grid((height, width), output.tile, output.shape)
                return {"where": grid.box(int(answers[output.name][0].argmax()))}
        return {}


def _loaded(format: ExportFormat, path: Path, threads: int | None) -> LoadedModel:
    if threads is None and format.sets_threads:
        threads = _THREADS
    return format.load(path, threads=threads)


def _load(source: "BundleFolder | str | Path") -> "BundleFolder":
    if not isinstance(source, str | Path):
        return source
    from kerasrecipes.bundles.bundle import BundleFolder

    return BundleFolder.load(source)


def _check_lone_file(path: Path, export: str | None) -> None:
    if looks_like_a_photo(path.name):
        raise DataError(
            f"'{printable(path)}' is a photo, and not a model. Name the model first, e.g. "
            f"kerasrecipes predict saved_models/tiles '{printable(path)}'"
        )
    if path.suffix == ".keras":
        raise DataError(
            f"'{printable(path)}' is a Keras model, and predictions are made by the "
            "exported file, as on a phone. Give the model's folder, after: "
            "kerasrecipes export FOLDER --quantization int8"
        )
    if export is not None:
        raise ValueError(
            f"`export` chooses among the exports of a bundle; '{printable(path)}' is a "
            "single file. Leave `export` out, or pass the bundle's folder."
        )


def _format_of(path: Path) -> ExportFormat:
    """Return the format of a lone file by its ending; any other is taken for TFLite."""
    return find_format(path) or get_format("tflite")


def chosen_export(bundle: "BundleFolder", export: str | None = None) -> ExportRecord:
    """Return the export that predicts.

    Args:
        bundle: A bundle.
        export: Its name; by default the smallest verified `.tflite`, or else the smallest of all.

    Raises:
        DataError: If the bundle has no verified export.
        ValueError: If it has no export of that name.
    """
    records = bundle.exports()
    if not records:
        raise DataError(no_exports(bundle))
    if export is not None:
        if export not in records:
            raise unknown_name("export", export, records, "Bundle.exports()")
        return records[export]
    verified = [record for record in records.values() if record.verification.get("passed")]
    if not verified:
        raise DataError(
            f"No export of the bundle '{printable(bundle.folder)}' passed its verification. "
            "Run: kerasrecipes verify " + printable(bundle.folder)
        )
    if others := records.keys() - {record.name for record in verified}:
        warn(f"The exports {listed(sorted(others))} did not pass their verification: not used.")
    phone = [record for record in verified if record.format == "tflite"]
    return min(phone or verified, key=lambda record: (record.size_bytes, record.name))
