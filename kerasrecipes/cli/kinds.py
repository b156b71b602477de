"""What commands do with photos, and what with texts: one option chooses between them."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kerasrecipes.console import bar
from kerasrecipes.errors import DataError, printable

if TYPE_CHECKING:
    from kerasrecipes.serve.predictor import Prediction
    from kerasrecipes.training.fine_tune import Tools

STDIN = "-"


class RecipeKind(StrEnum):
    """What is learned from."""

    IMAGES = "image_classification"
    TEXTS = "text_classification"


ChosenRecipe = Annotated[
    RecipeKind, typer.Option("--recipe", help="What is learned from: photos, or texts.")
]
TextColumn = Annotated[
    str | None,
    typer.Option("--text", help="The table's column of texts, if it is not called text."),
]


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
    if chosen is RecipeKind.TEXTS:
        from kerasrecipes.training.texts.fine_tune import TEXT_TOOLS, fine_tune_texts
        from kerasrecipes.training.texts.text_classifier import TextClassifier

        return Kind(TextClassifier, fine_tune_texts, TEXT_TOOLS)
    from kerasrecipes.training.fine_tune import PHOTO_TOOLS, fine_tune_images
    from kerasrecipes.training.image_classifier import ImageClassifier

    return Kind(ImageClassifier, fine_tune_images, PHOTO_TOOLS)


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
            yield from map(read_text, MODALITY.find(one) if one.is_dir() else [one])


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

    return (content for _, content in read_column(_there(table), text))


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
