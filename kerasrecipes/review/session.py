"""One sitting: what the page shows, what was decided, and the way back."""

import getpass
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

from kerasrecipes.data.examples import CLASS, Examples
from kerasrecipes.data.tables.decisions import (
    DECISIONS,
    RELABEL,
    Decision,
    name_among,
    read_decisions,
    write_decision,
)
from kerasrecipes.errors import DataError, listed, printable
from kerasrecipes.evaluation.mistakes.suspect import Suspect, in_words
from kerasrecipes.photos.photo_set import PhotoSet
from kerasrecipes.review.pictures import Pictures
from kerasrecipes.texts.pairs import BETWEEN
from kerasrecipes.texts.text_set import TextSet


class Session:
    """Photos or texts to look at, and the decisions about them.

    Args:
        examples: All of them, under the labels that they were found with.
        suspects: Which to look at, and why.
        kinds: What people call each kind of suspect, in the order of the page.
        file: The table that decisions are written into.
        who: Who decides; by default who runs this.
        heatmap: Draws where the model looked on a photo, given its index, as a JPEG file.

    Raises:
        DataError: If the file holds something else.
    """

    def __init__(
        self,
        examples: Examples,
        suspects: Sequence[Suspect],
        kinds: Mapping[Any, str],
        file: Path,
        *,
        who: str | None = None,
        heatmap: "Heatmap | None" = None,
    ):
        self.examples, self.file, self.heatmap = examples, file, heatmap
        self.pictures = Pictures(examples) if isinstance(examples, PhotoSet) else None
        self._suspects, self._kinds = suspects, kinds
        self._who = who or _user()
        self._names = _names(examples)
        self._earlier: list[tuple[int, Decision | None]] = []
        self._lock = Lock()
        self._decided = decided(examples, file)

    def state(self) -> dict[str, Any]:
        """Return all that the page needs, as JSON-safe data."""
        suspects = [
            {
                "photo": one.index,
                "kind": one.kind,
                "suggestion": printable(one.suggestion),
                "reason": printable(one.reason),
                "beside": list(one.beside),
            }
            for one in self._suspects
        ]
        shown = {i for one in self._suspects for i in (one.index, *one.beside)}
        return {
            "noun": self.examples.noun[0],
            "root": printable(self.examples.root),
            "file": printable(self.file),
            "who": printable(self._who),
            "classes": [printable(name) for name in self._classes()],
            "kinds": [[kind, words] for kind, words in self._kinds.items()],
            "heatmaps": self.heatmap is not None,
            "suspects": suspects,
            "photos": {i: self._told(i) for i in sorted(shown)},
            "decisions": {i: self._shown(i) for i in self._decided},
        }

    def decide(self, index: int, decision: str, label: int | None = None) -> dict[str, Any]:
        """Decide about one, and write it down before this returns.

        Args:
            index: Which.
            decision: One of `DECISIONS`.
            label: Number of the class that it is to have, if it is to have another.

        Returns:
            What changed for the page.

        Raises:
            DataError: If there is no such example, decision or class.
            OSError: If it cannot be written; it is as it was then.
        """
        classes = self._classes()
        if not 0 <= index < len(self.examples) or decision not in DECISIONS:
            noun = self.examples.noun[0]
            raise DataError(f"There is no {noun} {index}, or no decision {decision!r}.")
        if (label is None) != (decision != RELABEL) or not 0 <= (label or 0) < len(classes):
            raise DataError(f"A class from 0 to {len(classes) - 1} goes with {RELABEL!r} alone.")
        item = self.examples.items[index]
        made = Decision(
            path=self._names[index],
            sha256=item.key,
            decision=decision,
            label="" if label is None else classes[label],
            was=item.label if isinstance(item.label, str) else "",
            who=self._who,
            when=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        with self._lock:
            earlier = self._decided.get(index)
            self._put(index, made)
            self._earlier.append((index, earlier))
            return self._change(index)

    def undo(self) -> dict[str, Any]:
        """Take the last decision of this sitting back, and write that down.

        Raises:
            DataError: If there is none.
            OSError: If it cannot be written; it is as it was then.
        """
        with self._lock:
            if not self._earlier:
                raise DataError("There is nothing to take back in this sitting.")
            index, earlier = self._earlier[-1]
            self._put(index, earlier)
            self._earlier.pop()
            return self._change(index)

    def summary(self) -> str:
        """Say how much was decided, and where it stands."""
        file = printable(self.file)
        if not self._decided:
            return f"Nothing was decided; '{file}' was not written."
        return f"{len(self._decided)} {self.examples.noun[1]} are decided about, in '{file}'."

    def _put(self, index: int, decision: Decision | None) -> None:
        write_decision(self.file, self._names[index], decision)
        if decision is None:
            self._decided.pop(index, None)
        else:
            self._decided[index] = decision

    def _change(self, index: int) -> dict[str, Any]:
        return {"photo": index, "decision": self._shown(index), "undo": len(self._earlier)}

    def _classes(self) -> tuple[str, ...]:
        return self.examples.class_names if self.examples.target == CLASS else ()

    def _told(self, index: int) -> dict[str, str]:
        label = self.examples.items[index].label
        told = {"name": printable(self._names[index]), "label": printable(in_words(label))}
        if isinstance(self.examples, TextSet):
            lines = self.examples.texts[index].text.replace(BETWEEN, "\n").splitlines()
            told["text"] = "\n".join(map(printable, lines))
        return told

    def _shown(self, index: int) -> dict[str, str] | None:
        one = self._decided.get(index)
        if one is None:
            return None
        told = asdict(one)
        return {name: printable(told[name]) for name in ("decision", "label", "who", "when")}


class Heatmap(Protocol):
    """Draws where the model looked on a photo."""

    def __call__(self, index: int, /) -> bytes:
        """Return a JPEG file.

        Args:
            index: The photo.
        """


def _names(examples: Examples) -> list[str]:
    """Return the paths of examples as decisions have them."""
    if isinstance(examples, PhotoSet):
        return [name_among(photo.path, examples.root) for photo in examples.photos]
    return [one.name for one in examples.items]


def decided(examples: Examples, file: Path) -> dict[int, Decision]:
    """Return what a file says about photos or texts as they are now, by their indices.

    Args:
        examples: The photos or texts.
        file: The table; it need not be there.

    Raises:
        DataError: If it holds something else.
    """
    if not os.path.lexists(file):
        return {}
    found = read_decisions(file)
    named = ((i, found.get(name)) for i, name in enumerate(_names(examples)))
    return {i: one for i, one in named if one and one.sha256 == examples.items[i].key}


def under_decisions(photos: PhotoSet, file: Path) -> PhotoSet:
    """Return photos under the classes that people gave them, none left out.

    Args:
        photos: The photos.
        file: The table of decisions; it need not be there.

    Raises:
        DataError: If it holds something else, or names a class that no photo has.
    """
    new = {i: one.label for i, one in decided(photos, file).items() if one.decision == RELABEL}
    if unknown := sorted(set(new.values()) - set(photos.class_names)):
        raise DataError(
            f"'{printable(file)}' gives photos the classes {listed(unknown)}, which none of them "
            "had. Correct it, or make a folder (or a row) of that class."
        )
    labelled = (replace(p, label=new.get(i, p.label)) for i, p in enumerate(photos.photos))
    return photos.with_items(labelled)


def _user() -> str:
    with suppress(OSError, KeyError):
        return getpass.getuser()
    return ""
