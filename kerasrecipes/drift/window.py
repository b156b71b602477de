"""The examples of one look: labelled or not, scanned or just a folder of files."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from kerasrecipes.data.examples import Examples
from kerasrecipes.drift.asked import Asked
from kerasrecipes.drift.observed import group_keys, in_batches
from kerasrecipes.errors import DataError, printable
from kerasrecipes.files import digest
from kerasrecipes.heads import get_task


class Window:
    """Examples that a model has not seen, each once; what is read is known after `batches`.

    Args:
        model: By which they are prepared.
        source: A scanned set; a folder, of which all examples are taken, in whatever folders
            they lie; or a table.
        labelled: Whether its labels are asked for, in a folder those of one folder per class.

    Raises:
        DataError: If there is no such folder or table, or it cannot be scanned.
    """

    def __init__(self, model: Asked, source: Examples | str | Path, labelled: bool = False):
        self._model = model
        self._examples, self._paths = None, []
        if not (labelled or isinstance(source, Examples)) and Path(source).is_dir():
            preparation = model.modality.preparation(model.input.preparation)
            self._paths = list(model.modality.find(Path(source), preparation))
            found = [(str(path), digest(path)) for path in self._paths]
        else:
            self._examples = model.scan(source)
            found = [(item.name, item.key) for item in self._examples.items]
        seen, kept = model.seen, dict[str, int]()
        for index, (_, key) in enumerate(found):
            if key not in seen:
                kept.setdefault(key, index)
        self.left_out = sum(key in seen for _, key in found)
        self._chosen = sorted(kept.values())
        self._found = [found[i] for i in self._chosen]
        self.names: list[str] = []
        self.sha256: list[str] = []
        self.unreadable: list[str] = []
        self.targets: np.ndarray | None = None
        self.groups: np.ndarray | None = None
        if self._examples is not None:
            chosen = self._examples.select(self._chosen)
            self.groups = group_keys(chosen.groups, [key for _, key in self._found])
            if labelled:
                self.targets = get_task(model.output.task).targets(chosen, model.output)

    def __len__(self) -> int:
        return len(self._found)

    def digest(self) -> str:
        """Return what tells this window from another, in whatever order it is read."""
        keys = sorted(key for _, key in self._found)
        return hashlib.sha256("\n".join(keys).encode()).hexdigest()

    def batches(self) -> Iterator[np.ndarray]:
        """Return the inputs, some at a time; what cannot be read is left out and remembered."""
        return in_batches(self._one_by_one(), self._model.modality.padding)

    def _one_by_one(self) -> Iterator[np.ndarray]:
        for (name, key), one in self._inputs():
            self.names.append(name)
            self.sha256.append(key)
            yield one

    def _inputs(self) -> Iterator[tuple[tuple[str, str], np.ndarray]]:
        if self._examples is not None:
            chosen = self._examples.select(self._chosen)
            yield from zip(self._found, chosen.each(self._model.input.shape), strict=True)
            return
        for found, index in zip(self._found, self._chosen, strict=True):
            try:
                one = self._model.decode(self._paths[index])
            except DataError as error:
                self.unreadable.append(f"{found[0]}: {error}")
                continue
            yield found, one

    def pictures(self, places: Sequence[int]) -> tuple[bytes, ...]:
        """Return PNG files of some of what was read, by their places in `names`."""
        model, shown = self._model, []
        for key in (self.sha256[place] for place in places):
            index = self._chosen[[found[1] for found in self._found].index(key)]
            if self._examples is None:
                one = model.decode(self._paths[index])
            else:
                one = next(self._examples.select([index]).each(model.input.shape))
            shown.append(model.modality.picture(one))
        return tuple(shown)

    def notes(self) -> list[str]:
        """Say what was left out."""
        noun, notes = self._model.modality.noun[1], []
        if self.left_out:
            notes.append(f"{self.left_out} {noun} were left out: the model has seen them.")
        if self.unreadable:
            first = printable(self.unreadable[0])
            notes.append(f"{len(self.unreadable)} {noun} could not be read; the first: {first}")
        return notes
