"""What an exported file was shown to do about defects, on the one page that an auditor reads."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.data.examples import Examples
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.errors import DataError, printable
from kerasrecipes.evaluation.scores import group_numbers
from kerasrecipes.files import write_whole
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.intervals import units_of
from kerasrecipes.statistics.shares import share_of
from kerasrecipes.statistics.shown import Part, Shown, of_groups
from kerasrecipes.statistics.tables import Table

# With fewer photos, or parts, an interval says little more than that there are too few.
_FEW = 30


@dataclass(frozen=True)
class DefectShares:
    """What happens to photos of one kind.

    Args:
        name: What they show.
        photos: How many there are.
        units: Of how many parts, or photos where no parts were declared.
        rejected: Share that is set aside: an alarm is raised, or the photo is new.
        alarmed: Share that raises an alarm; without an operating point, that is not called good.
        new: Share that is unlike good photos.
        called_so: Share that is called by its name; undefined for what the model has no name for.
    """

    name: str
    photos: int
    units: int
    rejected: Estimate
    alarmed: Estimate
    new: Estimate
    called_so: Estimate

    def to_dict(self) -> dict[str, Any]:
        """Return the shares as JSON-safe data; each is `[value, low, high]`."""
        plain = vars(self).items()
        return {k: v.to_list() if isinstance(v, Estimate) else v for k, v in plain}


@dataclass(frozen=True)
class DefectSummary(Shown):
    """What a saved model's file was shown to do with good photos and with each kind of defect.

    Args:
        bundle: The model.
        export: Name of the file that was asked, e.g. `"tflite-int8"`.
        good: The good photos.
        defects: All others together.
        kinds: The others, kind by kind, the one that is missed most often first.
        left_out: Photos that were left out since the model was trained or chosen on them.
    """

    bundle: Bundle
    export: str
    good: DefectShares
    defects: DefectShares
    kinds: tuple[DefectShares, ...]
    left_out: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the shares as JSON-safe data."""
        told = {"bundle": str(self.bundle.folder), "export": self.export, "left_out": self.left_out}
        sides = {"good": self.good.to_dict(), "defects": self.defects.to_dict()}
        return {**told, **sides, "kinds": [one.to_dict() for one in self.kinds]}

    def headline(self) -> str:
        """Return in two sentences what is set aside."""
        found = []
        if self.defects.photos:
            told = f"Of {_count(self.defects)} with defects, {self.export} sets aside"
            found.append(f"{told} {self.defects.rejected.percent(1)}.")
        if self.good.photos:
            told = f"Of {_count(self.good)} that are good, it falsely sets aside"
            found.append(f"{told} {self.good.rejected.percent(1)}.")
        return " ".join(found)

    def parts(self) -> Iterator[Part]:
        """Yield the headline, the kinds, and where there is too little to tell."""
        yield self.headline()
        yield self.table()
        yield "In brackets: where the true share lies, with 95% confidence."
        yield from self.limits()

    def table(self) -> Table:
        """Return a row for each kind, the good photos last."""
        rows = tuple(
            (
                one.name,
                f"{one.photos:,}{of_groups(one.units if one.units != one.photos else None)}",
                *(x.percent() for x in (one.rejected, one.alarmed, one.new, one.called_so)),
            )
            for one in (*self.kinds, self.good)
        )
        names = ("what it shows", "photos", "set aside", "alarm", "new", "called so")
        return Table("Kind by kind", names, rows)

    def limits(self) -> Iterator[str]:
        """Yield what this does not show."""
        few = [one.name for one in (*self.kinds, self.good) if one.units < _FEW]
        if few:
            listed = ", ".join(f"'{printable(name)}'" for name in few)
            yield f"Fewer than {_FEW} photos, or parts, are too few to rely on: {listed}."
        if not self.kinds:
            yield "No photo shows a defect, so nothing is known of how many are found."
        if self.left_out:
            yield f"{self.left_out:,} photos are left out: the model was trained or chosen on them."

    @named
    def write(self, path: str | Path) -> Path:
        """Write the one page that an auditor reads: HTML that loads nothing from elsewhere.

        Args:
            path: The new file, e.g. `"summary.html"`; one that is there is replaced.

        Returns:
            The path.

        Raises:
            IntegrityError: If a file of the model was changed.
            OSError: If the file cannot be written.
        """
        from kerasrecipes.diagnosis.defect_page import summary_sections
        from kerasrecipes.report.summary_page import render_summary

        told, folder = self.bundle.manifest, self.bundle.folder.absolute()
        title = f"{told.name}, version {folder.name}"
        page = render_summary(title, self.headline(), summary_sections(self))
        write_whole(Path(path), page.encode())
        return Path(path)


@named
def summarise_defects(
    bundle: Bundle | str | Path, photos: Examples | str | Path, *, export: str | None = None
) -> DefectSummary:
    """Measure what the exported file of a `DefectDetector` does with good and defective photos.

    The file itself is asked, without tensorflow, as it answers in use. A photo is set aside if an
    alarm is raised or it is new; without an operating point, if it is not called good or is new.

    Args:
        bundle: A bundle, or its folder; a model's folder stands for its latest version.
        photos: A scanned set, or a folder or table; see `scan_photos`. Where a test split is
            declared, only that is used. Classes that the model does not know are defects, too.
        export: Which export, e.g. `"tflite-int8"`; by default the one that `Predictor` takes.

    Returns:
        The shares with intervals, by parts where these are declared; print it, or `write` it.

    Raises:
        DataError: If the model is no `DefectDetector`, has no verified export, or photos cannot be
            read, or all were used to train it.
        ValueError: If there is no export of that name.
        IntegrityError: If a file of the bundle was changed.
    """
    from kerasrecipes.export.format import ask_all
    from kerasrecipes.serve.predictor import Predictor
    from kerasrecipes.verify.held_out import unseen_photos

    bundle = Bundle.load(bundle)
    good = _good_class(bundle)
    predictor = Predictor(bundle, export=export)
    chosen, left_out = unseen_photos(bundle, photos)
    answers = ask_all(predictor.model, chosen.each(bundle.input.shape))
    labels = np.array([str(one.label) for one in chosen.items])
    told = _Told.of(answers, bundle, good, labels, group_numbers(chosen.groups, len(chosen)))
    kinds = [told.shares(name, labels == name) for name in dict.fromkeys(labels) if name != good]
    return DefectSummary(
        bundle,
        predictor.export,
        told.shares(good, labels == good),
        told.shares("defects", labels != good),
        tuple(sorted(kinds, key=lambda one: (one.rejected.value, one.name))),
        left_out,
    )


@dataclass(frozen=True)
class _Told:
    """What a file said of each photo, bool `(n,)` each."""

    alarmed: np.ndarray
    new: np.ndarray
    called_so: np.ndarray
    names: Sequence[str]
    groups: np.ndarray | None

    @classmethod
    def of(
        cls, answers: dict[str, np.ndarray], bundle: Bundle, good: str, labels: np.ndarray,
        groups: np.ndarray | None,
    ) -> "_Told":  # fmt: skip
        output, novelty = bundle.output, _novelty_of(bundle)
        scores, names = answers[output.name], np.array(output.class_names)
        called = names[scores.argmax(axis=1)]
        alarm = output.alarm
        alarmed = called != good if alarm is None else alarm.raised(scores, output.class_names)
        new = answers[novelty.name][:, 0] >= novelty.thresholds[0]
        return cls(alarmed, new, called == labels, output.class_names, groups)

    def shares(self, name: str, rows: np.ndarray) -> DefectShares:
        groups = None
        if self.groups is not None:
            groups = np.unique(self.groups[rows], return_inverse=True)[1]
        count = int(rows.sum())
        alarmed, new = self.alarmed[rows], self.new[rows]
        known = name in self.names
        return DefectShares(
            name=name,
            photos=count,
            units=count if groups is None or not count else units_of(groups) or count,
            rejected=share_of(alarmed | new, groups),
            alarmed=share_of(alarmed, groups),
            new=share_of(new, groups),
            called_so=share_of(self.called_so[rows], groups) if known else Estimate(math.nan),
        )


def _good_class(bundle: Bundle) -> str:
    return _novelty_of(bundle).class_names[0]


def _novelty_of(bundle: Bundle) -> OutputSpec:
    for output in bundle.manifest.outputs[1:]:
        if output.task == "novelty":
            return output
    raise DataError(
        f"'{printable(bundle.folder)}' was made by a recipe of the type "
        f"{bundle.manifest.recipe_type!r}, which does not say what is good. Train a DefectDetector."
    )


def _count(one: DefectShares) -> str:
    groups = one.units if one.units != one.photos else None
    return f"{one.photos:,} photos{of_groups(groups)}"
