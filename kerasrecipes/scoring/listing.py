"""The examples that are to be scored, by their names: nothing of them is read yet."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kerasrecipes.data.modality import Modality
from kerasrecipes.data.tables.arrow_files import is_saved_dataset
from kerasrecipes.data.tables.remote import here
from kerasrecipes.data.tables.rows import cell_of, read_rows
from kerasrecipes.data.tables.table import is_table
from kerasrecipes.errors import DataError, printable
from kerasrecipes.regular import read_regular
from kerasrecipes.serve.predictor import Predictor

_LARGEST = 1 << 31


@dataclass(frozen=True)
class Listing:
    """Names of examples.

    Args:
        base: What they are relative to.
        names: The names, in order.
    """

    base: Path
    names: Sequence[str]

    def digest(self) -> str:
        """Return what tells this list from another."""
        told = hashlib.sha256()
        for name in self.names:
            told.update(name.encode(errors="surrogateescape") + b"\0")
        return told.hexdigest()


def list_for(predictor: Predictor, source: str | Path) -> Listing:
    """List the examples that a model is to be asked about; see `list_inputs`."""
    modality = predictor.modality
    return list_inputs(source, modality, modality.preparation(predictor.input.preparation))


def list_inputs(source: str | Path, modality: Modality, preparation: object) -> Listing:
    """List the examples in a folder, or those that a list or table names.

    Args:
        source: A folder, searched with its subfolders; a `.txt` file with a path in each line; a
            table with a column `path`; or what holds photos: tar, Parquet and Arrow files, and
            folders of `save_to_disk`. Paths are absolute, or relative to the file.
        modality: The kind of data.
        preparation: What a model makes of them; see `Modality.find`.

    Raises:
        DataError: If it is none of these, or names nothing.
    """
    source = here(source)
    noun = modality.noun[1]
    if source.is_dir() and not is_saved_dataset(source):
        start, paths = len(os.path.join(source, "")), modality.find(source, preparation)
        found = Listing(source, [str(path)[start:] for path in paths])
    elif source.suffix.lower() == ".txt" and source.exists():
        found = Listing(source.parent, _lines(source))
    elif is_table(source):
        found = Listing(source.parent, _column(source, noun))
    else:
        raise DataError(
            f"`source`: '{printable(source)}' is no folder of {noun}, no .txt file with a path in "
            "each line, and no table with a column path. Name one of these."
        )
    if not found.names:
        raise DataError(f"`source`: '{printable(source)}' has no {noun}.")
    return found


def _lines(file: Path) -> list[str]:
    text = read_regular(file, largest=_LARGEST).decode("utf-8-sig", "surrogateescape")
    return [line.rstrip("\r") for line in text.split("\n") if line.strip()]


def _column(table: Path, noun: str) -> list[str]:
    rows, spelled = read_rows(table)
    if "path" not in spelled:
        raise DataError(
            f"The table '{printable(table)}' has no column 'path': examples that are scored are "
            f"files, so that no {noun} pass through the list. Ask `predict` about what stands in a "
            "table itself."
        )
    names = [cell_of(row.get("path")) for _, row in rows]
    if None in names:
        number = rows[names.index(None)][0]
        raise DataError(f"Row {number} of the table '{printable(table)}' has no path.")
    return [name for name in names if name is not None]
