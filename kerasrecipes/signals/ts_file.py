"""Files `.ts` of the UCR and UEA archives: a line for each recording, and what it shows."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kerasrecipes.data.examples import CLASS, NUMBER
from kerasrecipes.data.tables.rows import text_of
from kerasrecipes.data.tables.spelling import trimmed
from kerasrecipes.data.tables.table import find_side
from kerasrecipes.errors import DataError, printable
from kerasrecipes.regular import read_regular
from kerasrecipes.signals.recording import LARGEST, Recording, as_values, check_values, number_of

SUFFIX = ".ts"


def ts_files(source: Path) -> list[tuple[Path, str | None]]:
    """Return the `.ts` files of a source, each with the side that its name gives it.

    Args:
        source: A `.ts` file, whose name gives it no side; or a folder with e.g. `X_TRAIN.ts` and
            `X_TEST.ts`.

    Raises:
        DataError: If the folder has other `.ts` files than one for each side.
    """
    if source.is_file():
        return [(source, None)] if source.suffix.lower() == SUFFIX else []
    if not source.is_dir():
        return []
    found = [one for one in sorted(source.iterdir()) if one.suffix.lower() == SUFFIX]
    sides = [find_side(one.stem.rpartition("_")[2]) for one in found]
    if len(found) == 1:
        return [(found[0], None)]
    if found and (None in sides or len(set(sides)) < len(sides)):
        raise DataError(
            f"'{printable(source)}' has {len(found)} .ts files that are not one for each side of "
            "a split, as X_TRAIN.ts and X_TEST.ts are. Name one of them."
        )
    return list(zip(found, sides, strict=True))


def read_ts(path: Path) -> tuple[str, Iterator[tuple[int, Recording | str, str | float]]]:
    """Read a `.ts` file.

    Args:
        path: The file.

    Returns:
        What its recordings are answered with, `"class"` or `"number"`; and of each its line, the
        recording or what is wrong with it, and the answer.

    Raises:
        DataError: If it is not such a file.
    """
    try:
        lines = text_of(read_regular(path, largest=LARGEST), path).split("\n")
    except OSError as error:
        raise DataError(f"'{printable(path)}' cannot be read: {error.strerror}.") from None
    begin = next((i for i, one in enumerate(lines) if one.strip().lower() == "@data"), None)
    if begin is None:
        raise DataError(f"'{printable(path)}' is no .ts file: it has no line '@data'.")
    said = (one.strip().lower().partition(" ") for one in lines[:begin] if one.startswith("@"))
    told = {key: value.strip() for key, _, value in said}
    if told.get("@timestamps") == "true":
        raise DataError(
            f"'{printable(path)}' has a time with each value, which is not read of .ts files. "
            "Write a table with the columns id and time instead."
        )
    target = NUMBER if told.get("@targetlabel") == "true" else CLASS
    if target == CLASS and not told.get("@classlabel", "").startswith("true"):
        raise DataError(f"'{printable(path)}' says neither a class nor a number of its recordings.")
    return target, _lines(path, lines, begin + 1, target)


def _lines(
    path: Path, lines: list[str], begin: int, target: str
) -> Iterator[tuple[int, Recording | str, str | float]]:
    for number, line in enumerate(lines[begin:], start=begin + 1):
        if not line.strip():
            continue
        *channels, answer = line.strip().split(":")
        name = trimmed(answer)
        try:
            label = name if target == CLASS else float(name)
        except ValueError:
            raise DataError(
                f"'{printable(path)}' has '{printable(name)[:40]}' in line {number}, not a number."
            ) from None
        if not name or not channels:
            raise DataError(f"'{printable(path)}' has no values, or no class, in line {number}.")
        try:
            yield number, _recording(channels), label
        except (DataError, ValueError) as error:
            yield number, printable(str(error)), label


def _recording(channels: list[str]) -> Recording:
    parts = [[number_of(cell) for cell in channel.split(",")] for channel in channels]
    values = np.full((max(map(len, parts)), len(parts)), np.nan)
    for place, part in enumerate(parts):
        values[: len(part), place] = part
    return check_values(Recording(as_values(values)))
