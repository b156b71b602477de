"""Which examples to look at first: by a linear model of a frozen backbone, and by a saved model."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.backbones.spec import Backbone
from kerasrecipes.data.examples import CLASS, Examples
from kerasrecipes.data.seen import FIT_SIDES
from kerasrecipes.data.strata import join_units
from kerasrecipes.diagnosis.out_of_fold import (
    LARGE,
    Pooled,
    is_large,
    out_of_fold,
    pool_blocks,
    targets_of,
)
from kerasrecipes.drift.observed import observe
from kerasrecipes.errors import DataError, listed, printable
from kerasrecipes.evaluation.mistakes.clusters import MistakeCluster, cluster_mistakes
from kerasrecipes.evaluation.mistakes.confident import confident_mistakes, mistaken
from kerasrecipes.evaluation.mistakes.label_errors import likely_label_errors
from kerasrecipes.evaluation.mistakes.likeness import (
    conflicting_copies,
    nearest_examples,
    outliers_among,
)
from kerasrecipes.evaluation.mistakes.suspect import KINDS, Kind, Suspect
from kerasrecipes.evaluation.slices.columns import table_columns
from kerasrecipes.heads import get_task
from kerasrecipes.photos.scan import scan_photos
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.statistics.shown import Part, Shown
from kerasrecipes.statistics.tables import Table

SHOWN = 10
# Of classes with fewer, what the others look like says too little of one.
_FEWEST = 3


@dataclass(frozen=True)
class Mistakes(Shown):
    """Examples to look at first, and what mistakes have in common.

    Args:
        examples: What was looked at; the rows of suspects and clusters are theirs.
        suspects: The examples to look at: by kind, of each the most suspicious first.
        clusters: Mistakes of the saved model that lie together; none without one.
        compared: How many comparisons the intervals of the clusters' traits hold for.
        judged: Number of examples that the saved model answered and had not learned from.
        notes: What a reader must know.
    """

    examples: Examples
    suspects: tuple[Suspect, ...]
    clusters: tuple[MistakeCluster, ...] = ()
    compared: int = 0
    judged: int = 0
    notes: tuple[str, ...] = ()

    def of(self, kind: Kind) -> list[Suspect]:
        """Return the suspects of one kind, the most suspicious first."""
        return [one for one in self.suspects if one.kind == kind]

    def name(self, row: int) -> str:
        """Return what an example is called, relative to what was scanned."""
        root = self.examples.root
        path, folder = Path(self.examples.items[row].name), root if root.is_dir() else root.parent
        return str(path.relative_to(folder) if path.is_relative_to(folder) else path)

    def to_dict(self) -> dict[str, Any]:
        """Return the findings as JSON-safe data, each with the name of its example."""
        return {
            "n": len(self.examples),
            "judged": self.judged,
            "suspects": [{**one.to_dict(), "name": self.name(one.index)} for one in self.suspects],
            "clusters": [
                {**one.to_dict(), "names": [self.name(row) for row in one.rows]}
                for one in self.clusters
            ],
            "compared": self.compared,
            "notes": list(self.notes),
        }

    def parts(self) -> Iterator[Part]:
        """Yield a table of each kind, and the clusters."""
        noun = self.examples.noun[1]
        yield f"Looked at {len(self.examples):,} {noun}."
        for kind, title in KINDS.items():
            found = self.of(kind)
            if kind == "confident_mistake" and not self.judged:
                continue
            yield ""
            of = f", of {self.judged:,} answers" if kind == "confident_mistake" else ""
            yield f"{title}: {len(found):,}{of}"
            if found:
                yield self._table(found[:SHOWN])
        yield from self._of_clusters()
        yield from (f"Note: {printable(note)}" for note in self.notes)

    def _table(self, found: Sequence[Suspect]) -> Table:
        rows = [
            (self.name(one.index), one.label, one.suggestion, f"{one.score:.2f}", one.reason)
            for one in found
        ]
        heads = (self.examples.noun[0], "labelled", "perhaps", "score", "why")
        return Table("", heads, tuple(rows), right=(3,), name_width=40)

    def _of_clusters(self) -> Iterator[str]:
        if not self.clusters:
            return
        many = len(self.clusters) > 1
        yield ""
        yield "Mistakes that lie together" if many else "What the mistakes have in common"
        for number, one in enumerate(self.clusters, start=1):
            shared = "; ".join(map(str, one.traits[:5])) or "nothing of what was compared"
            names = ", ".join(printable(self.name(row)) for row in one.rows[:3])
            yield f"{number}. {len(one.rows)} mistakes, e.g. {names}: {shared}."
        yield (
            "Beside the answers that are right. In brackets: 95% intervals that hold for all "
            f"{self.compared} comparisons at once."
            + (" Clusters differ in what they were cut by, so that is no cause." if many else "")
        )


@named
def find_mistakes(
    photos: Examples | str | Path,
    bundle: Bundle | str | Path | None = None,
    *,
    backbone: str | Backbone | None = None,
    seed: int = 0,
) -> Mistakes:
    """Find the photos to look at first.

    Labels that are likely wrong are found by linear models on the features of a frozen backbone,
    each of which learned from other photos, parts and copies. With a saved model, its most
    confident mistakes are among the suspects, too, of photos that it has not learned from.

    Args:
        photos: A scanned set, also of `scan_texts`, or a folder or table of photos, or of what the
            model takes.
        bundle: A saved model, or its folder; `None` to look at photos before any training.
        backbone: A name of `list_backbones()`, or a specification; `None` for the usual one.
        seed: Seed of the folds.

    Returns:
        The findings; print them.

    Raises:
        ValueError: If there is no such backbone.
        DataError: If the photos cannot be read, or there are too few.
        IntegrityError: If a file of the bundle was changed.
    """
    model = None if bundle is None else Bundle.load(bundle)
    if model is not None:
        photos = model.scan(photos)
    examples = photos if isinstance(photos, Examples) else scan_photos(photos)
    if not len(examples):
        raise DataError(f"There are no {examples.noun[1]} to look at. Pass some.")
    pooled = pool_blocks(backbone, examples)
    near = nearest_examples(pooled.last, groups=examples.groups)
    found, notes = _suspects(examples, pooled, near, seed)
    mistakes = Mistakes(examples, found, notes=notes)
    return mistakes if model is None else _with_model(mistakes, model, pooled, near[0])


def _suspects(
    examples: Examples, pooled: Pooled, near: tuple[np.ndarray, np.ndarray], seed: int
) -> tuple[tuple[Suspect, ...], tuple[str, ...]]:
    labels = [item.label for item in examples.items]
    targets, notes = targets_of(examples), []
    answers = out_of_fold(examples, pooled.deep, seed)
    if is_large(examples.target, pooled.deep, targets):
        notes.append(LARGE)
    wrong = likely_label_errors(targets, answers, examples.class_names, target=examples.target)
    rare = _rare_classes(examples)
    if rare:
        wrong = [one for one in wrong if one.label not in rare]
        notes.append(
            f"Labels of {listed(sorted(rare))} were not judged: fewer than {_FEWEST} "
            f"{examples.noun[1]} or groups of each differ."
        )
    wrong = [replace(one, beside=_beside(near[0], one.index)) for one in wrong]
    copies = conflicting_copies(labels, [*examples.near_duplicates(), *_identical(examples)])
    return (*wrong, *copies, *outliers_among(*near, labels)), tuple(notes)


def _beside(near: np.ndarray, row: int) -> tuple[int, ...]:
    """Return the nearest neighbours of an example, as far as there are any."""
    return tuple(int(j) for j in near[row] if j >= 0)


def _rare_classes(examples: Examples) -> set[str]:
    if examples.target != CLASS:
        return set()
    units = join_units(examples, by_group=True, near=True)
    counts = Counter(name for unit in units for name in {examples.items[i].label for i in unit})
    return {name for name, count in counts.items() if count < _FEWEST}


def _identical(examples: Examples) -> list[tuple[int, int]]:
    first: dict[str, int] = {}
    pairs = [(first.setdefault(item.key, i), i) for i, item in enumerate(examples.items)]
    return [(i, j) for i, j in pairs if i != j]


def _with_model(found: Mistakes, bundle: Bundle, pooled: Pooled, near: np.ndarray) -> Mistakes:
    """Add the mistakes of a saved model."""
    seen, examples, output = bundle.seen(), found.examples, bundle.output
    rows = [i for i, one in enumerate(examples.items) if seen.get(one.key) not in FIT_SIDES]
    if not rows:
        note = (
            f"The model learned from all of these {examples.noun[1]}, so what it says of them "
            "tells nothing. Pass others to see its mistakes."
        )
        return replace(found, notes=(*found.notes, note))
    task, chosen = get_task(output.task), examples.select(rows)
    targets = task.targets(chosen, output)
    observed = observe(bundle.load_model(), chosen, bundle.modality)
    labels = [item.label for item in chosen.items]
    sure = confident_mistakes(task, labels, targets, observed.answers, output)
    sure = [
        replace(one, index=row, beside=_beside(near, row))
        for one, row in ((one, rows[one.index]) for one in sure)
    ]
    wrong = mistaken(task, targets, observed.answers, output)
    properties: dict[str, Sequence[object]] = {
        "file size": [float(item.size_bytes) for item in chosen.items],
        **{name: list(one) for name, one in observed.inputs.items()},
        **table_columns(chosen),
    }
    clusters, compared = cluster_mistakes(
        wrong, pooled.last[rows], properties, groups=chosen.groups
    )
    return replace(
        found,
        suspects=(*found.suspects, *sure),
        clusters=tuple(replace(one, rows=tuple(rows[row] for row in one.rows)) for one in clusters),
        compared=compared,
        judged=len(rows),
    )
