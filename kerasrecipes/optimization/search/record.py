"""What a search keeps in its folder, and whether all of it is there."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from kerasrecipes.errors import DataError, listed, printable
from kerasrecipes.files import complete_file, told_plainly
from kerasrecipes.optimization.search.candidate import Candidate
from kerasrecipes.optimization.search.plans import FITTED
from kerasrecipes.optimization.search.result import file_name
from kerasrecipes.records import checked, parse_json
from kerasrecipes.regular import read_regular

T = TypeVar("T")
RECORD = "search.json"


@dataclass
class Record:
    """What `search.json` holds."""

    identity: dict[str, str]
    candidates: list[Candidate]
    seconds: float
    pace: dict[str, float]


@dataclass
class Trained:
    """What lies beside a model that was trained."""

    seconds: float
    report: dict[str, Any]


def read_record(path: Path, kind: type[T]) -> T:
    """Read a record.

    Args:
        path: Its file.
        kind: `Record` or `Trained`.

    Raises:
        DataError: If it is damaged.
    """
    try:
        return checked(kind, parse_json(read_regular(path.name, inside=path.parent)))
    except (ValueError, OSError) as error:
        reason = getattr(error, "strerror", "") or error
        raise DataError(
            f"'{printable(path)}' is damaged: {reason}. Remove the folder to begin again."
        ) from error


def write_record(path: Path, values: dict[str, Any]) -> None:
    """Write a record, whole or not at all.

    Args:
        path: Its file.
        values: The fields of a `Record` or a `Trained`, as plain values.

    Raises:
        OSError: If it cannot be written.
    """
    with told_plainly(path.parent), complete_file(path) as file:
        file.write((json.dumps(values, indent=2) + "\n").encode())


def check_unbegun(folder: Path) -> None:
    """Make sure that a folder without `search.json` holds nothing of a search.

    Args:
        folder: The folder of a search that is to begin.

    Raises:
        DataError: If files are there that only the record could say something about.
    """
    left = [path for path in folder.glob("*.keras") if path.with_suffix(".json").exists()]
    left += folder.glob(file_name(FITTED, "*"))
    if left:
        names = listed(sorted(path.name for path in left))
        raise DataError(
            f"'{printable(folder)}' holds {names} of a search, and not its record '{RECORD}'. "
            "Restore it from a copy, or name another folder."
        )


def gone_of(candidate: Candidate, folder: Path, trained: bool) -> list[str]:
    """List the files of a candidate that are not in the folder any more.

    Args:
        candidate: One that the record tells of.
        folder: The folder of the search.
        trained: Whether its model was trained for it, and so lies there, too.
    """
    needed = [file_name(candidate.model, candidate.quantization)]
    if trained:
        needed += [f"{candidate.model}.keras", f"{candidate.model}.json"]
    return [name for name in needed if not (folder / name).is_file()]
