"""What commands do with photos, texts and signals: one option chooses between them."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from enum import StrEnum
from functools import partial, update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kerasrecipes.console import bar
from kerasrecipes.errors import DataError, printable

if TYPE_CHECKING:
    from kerasrecipes.serve.predictor import Prediction, Predictor
    from kerasrecipes.training.fine_tune import Tools

STDIN = "-"
# What photos that are arrays hold.
_OF_PIXELS = {"channels", "dtype", "value_range"}


class RecipeKind(StrEnum):
    """What is learned from."""

    IMAGES = "image_classification"
    DEFECTS = "defect_detection"
    TEXTS = "text_classification"
    SIGNALS = "sequence_classification"

    @property
    def of_photos(self) -> bool:
        """Whether it learns from photos."""
        return self in {RecipeKind.IMAGES, RecipeKind.DEFECTS}


ChosenRecipe = Annotated[
    RecipeKind,
    typer.Option(
        "--recipe",
        help="What is learned from: photos, texts or signals; or what good photos are like, too.",
    ),
]
TextColumn = Annotated[
    str | None,
    typer.Option(
        "--text",
        help="The table's column of texts, if it is not called text; two for pairs: first,second.",
    ),
]


Stream = Annotated[
    bool,
    typer.Option(
        "--stream",
        help="Answer after each step of a recording, by a file with --signatures step; - for the "
        "standard input, a line of numbers for each step.",
    ),
]
Top = Annotated[int | None, typer.Option(min=1, help="So many classes in the scores; else all.")]
Workers = Annotated[
    int, typer.Option(min=1, max=64, help="Threads that read and predict at the same time.")
]
# How recordings are found in a source, and cut.
SIGNALS: dict[str, Any] = {
    "channels": Annotated[
        str | None,
        typer.Option(
            help="The channels of recordings to read: x,y,z; else all. Of photos where no model "
            "says it, 1 for grey ones, up to 16 of .npy files; else RGB."
        ),
    ],
    "id": Annotated[
        str | None, typer.Option("--id", help="The long table's column of recordings, if not id.")
    ],
    "time": Annotated[
        str | None, typer.Option(help="The long table's column of times, if not time.")
    ],
    "rate": Annotated[
        float | None, typer.Option(help="Steps per second of recordings that do not say it.")
    ],
    "window": Annotated[
        int | None, typer.Option(help="Cut recordings into windows of so many steps.")
    ],
    "stride": Annotated[
        int | None, typer.Option(help="Steps from one window to the next; else a window's.")
    ],
}


@dataclass(frozen=True)
class Kind:
    """What belongs to one kind of data.

    Args:
        recipe: The class of its recipe.
        fine_tune: The call from examples to a saved model.
        tools: What finds, splits and checks them.
    """

    recipe: Any
    fine_tune: Callable[..., Any]
    tools: "Tools"


def kind_of(chosen: RecipeKind) -> Kind:
    """Return what belongs to a kind of data; nothing of another kind is imported."""
    if chosen is RecipeKind.SIGNALS:
        from kerasrecipes.training.signals.fine_tune import SIGNAL_TOOLS, train_signals
        from kerasrecipes.training.signals.sequence_classifier import SequenceClassifier

        return Kind(SequenceClassifier, train_signals, SIGNAL_TOOLS)
    if chosen is RecipeKind.TEXTS:
        from kerasrecipes.training.texts.fine_tune import TEXT_TOOLS, fine_tune_texts
        from kerasrecipes.training.texts.text_classifier import TextClassifier

        return Kind(TextClassifier, fine_tune_texts, TEXT_TOOLS)
    from kerasrecipes.training.fine_tune import DEFECT_TOOLS, PHOTO_TOOLS, fine_tune_images
    from kerasrecipes.training.image_classifier import ImageClassifier

    if chosen is RecipeKind.DEFECTS:
        from kerasrecipes.training.defect_detector import DefectDetector

        with_novelty = partial(fine_tune_images, recipe_type=DefectDetector.name)
        fine_tune = update_wrapper(with_novelty, fine_tune_images)
        return Kind(DefectDetector, fine_tune, DEFECT_TOOLS)
    return Kind(ImageClassifier, fine_tune_images, PHOTO_TOOLS)


def refuse_columns(modality: str, asked: Iterable[str], *, decoded: bool = False) -> None:
    """Refuse options that say nothing about a kind of data.

    Args:
        modality: E.g. `"texts"`.
        asked: The options that were typed, by the names of settings.
        decoded: Whether it may be said what pixels are: a model knows it, and `init` writes it.

    Raises:
        BadParameter: If one is about another kind of data.
    """
    from kerasrecipes.settings.split_rows import split_rows_of

    known = {row.name for row in split_rows_of(modality)}
    for name in asked:
        hint = f"'--{name.replace('_', '-')}'"
        if modality == "photos" and not decoded and name in _OF_PIXELS:
            raise typer.BadParameter(
                "the model, or the recipe, says it. Leave it out.", param_hint=hint
            )
        if name not in known:
            raise typer.BadParameter(f"it is not for {modality}.", param_hint=hint)


def sources_of(given: list[str], text: str | None, *, texts: bool) -> Iterator[str | Path]:
    """Yield what a model is to be asked about: photos and folders, or texts.

    Args:
        given: What was typed. For texts: one itself, `-` for a line of the standard input each, a
            table, a `.txt` file, or a folder of such.
        text: The column of texts of a table.
        texts: Whether the model reads texts.

    Raises:
        DataError: If a file is missing or cannot be read.
        BadParameter: If a column is named and there is no table of texts.
    """
    tables = [one for one in given if is_table(one)] if texts else []
    if text is not None and not tables:
        raise typer.BadParameter("there is no table of texts.", param_hint="'--text'")
    for one in given:
        if not texts:
            yield from (Path(line) for line in _lines()) if one == STDIN else [Path(one)]
        elif one == STDIN:
            yield from _lines()
        elif one in tables:
            yield from _column(Path(one), text)
        elif Path(one).suffix.lower() == ".txt" or _is_folder(one):
            yield _there(Path(one))
        else:
            yield one


def text_columns(text: str | None) -> Any:
    """Return the column of texts, or the two of pairs, as `--text` names them."""
    from kerasrecipes.settings.split_rows import all_split_rows

    return None if text is None else all_split_rows()["text"].kind.from_plain(text)


def texts_of(sources: Iterable[str | Path]) -> Iterator[str]:
    """Yield texts, for what is asked about more than a file can answer.

    Args:
        sources: What `sources_of` yielded.

    Raises:
        DataError: If a file cannot be read.
    """
    from kerasrecipes.texts.modality import MODALITY
    from kerasrecipes.texts.scan import read_text

    for one in sources:
        if isinstance(one, str):
            yield one
        else:
            yield from map(read_text, MODALITY.find(one, None) if one.is_dir() else [one])


def answers_of(
    predictor: "Predictor",
    given: list[str],
    text: str | None,
    stream: bool,
    top: int | None,
    workers: int,
) -> "Iterator[Prediction]":
    """Ask a model about what was typed: as a whole, or a recording step by step."""
    if stream:
        return (found for one in given for found in predictor.stream(steps_of(one), top))
    sources = sources_of(given, text, texts=predictor.reads_texts)
    return predictor.iterate(sources, top, workers=workers)


def steps_of(given: str) -> "Path | Iterator[list[float]]":
    """Return the recording that is to be fed step by step.

    Args:
        given: A file, or `-` for a line of numbers of the standard input for each step.
    """
    return _numbers() if given == STDIN else _there(Path(given))


def _numbers() -> Iterator[list[float]]:
    for number, line in enumerate(sys.stdin.buffer, start=1):
        cells = line.decode("utf-8", "replace").strip().split(",")
        try:
            yield [float(cell) if cell.strip() else float("nan") for cell in cells]
        except ValueError:
            told = printable(",".join(cells))[:40]
            raise DataError(
                f"Line {number} of the standard input, '{told}', has no numbers."
            ) from None


def is_table(given: str | Path) -> bool:
    """Tell whether the ending of a file is a table's."""
    from kerasrecipes.data.tables.table import TABLE_SUFFIXES

    return Path(given).suffix.lower() in TABLE_SUFFIXES


def _is_folder(given: str) -> bool:
    try:
        return Path(given).is_dir()
    except OSError:  # too long for a path
        return False


def _there(path: Path) -> Path:
    if not path.exists():
        raise DataError(f"There is no file '{printable(path)}'. Check the path.")
    return path


def _column(table: Path, text: str | None) -> Iterator[str]:
    from kerasrecipes.texts.scan import read_column

    return (content for _, content in read_column(_there(table), text_columns(text)))


def _lines() -> Iterator[str]:
    for line in sys.stdin.buffer:
        if line.strip():
            yield line.decode("utf-8", "surrogateescape").rstrip("\r\n")


class Counted:
    """Predictions, counted and timed as they go by, with a bar where their output is a file.

    Args:
        found: The predictions.
    """

    def __init__(self, found: "Iterator[Prediction]"):
        self._found = found
        self.count = self.failed = 0
        self._seconds = 0.0

    def __iter__(self) -> "Iterator[Prediction]":
        began = time.monotonic()
        with bar("Predicting") if not sys.stdout.isatty() else nullcontext(_silent) as show:
            for one in self._found:
                self.count += 1
                self.failed += bool(one.error)
                self._seconds = time.monotonic() - began
                show(self.count, None)
                yield one

    @property
    def told(self) -> str:
        """How many there were, and how fast it went."""
        rate = self.count / max(self._seconds, 1e-9)
        failed = f", {self.failed} of them not usable" * bool(self.failed)
        return f"{self.count} in {self._seconds:.1f} s, {rate:,.1f} per second{failed}."


def _silent(done: int, of: int | None) -> None:
    """Show nothing where lines are printed anyway."""
