"""The page about one exported file: what it is, and whether it is the model that was trained."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from kerasrecipes.errors import listed, printable, unknown_name
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.release.sections import lineage_section
from kerasrecipes.statistics.shown import Part, in_words_of
from kerasrecipes.statistics.tables import Table

if TYPE_CHECKING:
    from kerasrecipes.bundles.export_record import ExportRecord
    from kerasrecipes.report.section import Section
    from kerasrecipes.verify.verification import Verification

_MOST_FLIPS = 100


def export_page(bundle: Bundle, name: str, sections: "Sequence[Section]" = ()) -> str:
    """Write one self-contained HTML page about an exported file.

    Args:
        bundle: The model.
        name: Which export, e.g. `"tflite-int8"`.
        sections: What else to show.

    Raises:
        ValueError: If there is no such export.
        IntegrityError: If a file of the model was changed.
    """
    from kerasrecipes.report.section import Section
    from kerasrecipes.report.summary_page import render_summary
    from kerasrecipes.verify.verification import Verification

    records = bundle.exports()
    if name not in records:
        raise unknown_name("export", name, records, "Bundle.exports()")
    found = Verification.from_dict(records[name].verification)
    own = [
        Section("Beside the trained model", (found,)),
        Section("Class by class", tuple(_classes(found))),
        Section("Where they differ", tuple(_flips(found))),
        Section("What it takes and gives", tuple(_interface(bundle, records[name]))),
    ]
    told = [one for one in own if one.content]
    model = f"{bundle.manifest.name}, version {bundle.folder.absolute().name}"
    headline = in_words_of(bundle.modality.noun, _headline(found))
    return render_summary(
        f"{name} of {model}",
        headline,
        [*told, *sections, lineage_section(bundle, "in its report.html")],
    )


def _headline(found: "Verification") -> str:
    if not found.passed:
        return f"This file is NOT the model that was trained: {'; '.join(found.failures)}."
    return (
        f"On {found.photos:,} held-out photos this file answers {found.agreement:.1%} as the model "
        "that was trained does, which is within the limits that it was exported with."
    )


def _classes(found: "Verification") -> Iterator[Table]:
    rows = tuple(
        (
            one.name,
            f"{one.photos:,}",
            f"{one.reference_recall:.1%}",
            f"{one.recall:.1%}",
            f"{100 * one.difference:+.1f} ({100 * one.interval[0]:+.1f} to "
            f"{100 * one.interval[1]:+.1f}) points",
        )
        for one in found.classes
    )
    columns = ("class", f"{found.noun}s", "trained model finds", "file finds", "difference")
    if rows:
        yield Table("Classes", columns, rows, right=(1, 2, 3))


def _flips(found: "Verification") -> Iterator[Part]:
    rows = tuple(
        (
            one.photo,
            one.label,
            f"{one.before} {one.before_score:.0%}",
            f"{one.after} {one.after_score:.0%}" if one.after else "NaN",
        )
        for one in found.flips[:_MOST_FLIPS]
    )
    if rows:
        columns = (found.noun, "shows", "trained model", "file")
        yield Table("Other answers", columns, rows, name_width=60)
        if len(found.flips) > len(rows):
            yield f"And {len(found.flips) - len(rows):,} more."


def _interface(bundle: Bundle, record: "ExportRecord") -> Iterator[Part]:
    takes, shape = bundle.input, " × ".join(str(n or "any") for n in bundle.input.shape)
    yield f"It takes '{printable(takes.name)}', {takes.dtype}, {shape}, one at a time."
    rows = []
    for one in bundle.manifest.outputs:
        names = listed(one.class_names, 8) if one.class_names else one.unit
        limits = ", ".join(f"{x:.4g}" for x in one.thresholds[:8])
        rows.append((one.name, f"{one.width:,}", names, limits))
    yield Table("Answers", ("answer", "numbers", "of", "from"), tuple(rows), right=(1,))
    yield f"{record.file}: {record.size_bytes:,} bytes, SHA-256 {record.sha256}."
