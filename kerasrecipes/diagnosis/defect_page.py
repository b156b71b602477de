"""What stands on the page about a detector of defects: shares, rules, data, file and origin."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kerasrecipes.drift.profile import PROFILE_FILE
from kerasrecipes.errors import listed, printable
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.release.sections import lineage_section
from kerasrecipes.report.section import Section
from kerasrecipes.statistics.shown import Part
from kerasrecipes.statistics.tables import Table

if TYPE_CHECKING:
    from kerasrecipes.diagnosis.defect_summary import DefectSummary


def summary_sections(found: "DefectSummary") -> list[Section]:
    """Say what an auditor asks about a detector of defects, on about one page.

    Args:
        found: What its file does with photos.

    Raises:
        IntegrityError: If a file of the model was changed.
    """
    bundle = found.bundle
    confidence = "In brackets: where the true share lies, with 95% confidence."
    shares: tuple[Part, ...] = (found.table(), confidence, *found.limits())
    return [
        Section("What it does with photos that it had not seen", shares),
        Section("When it sets a photo aside", tuple(_rules(bundle))),
        Section("What it learned from", tuple(_data(bundle))),
        Section("The file that was asked", tuple(_file(bundle, found.export))),
        Section("Whether this still holds", tuple(_later(bundle))),
        lineage_section(bundle, "in its report.html"),
    ]


def _rules(bundle: Bundle) -> Iterator[str]:
    output, (novelty, *_) = bundle.output, bundle.manifest.outputs[1:]
    good, asked = novelty.class_names[0], bundle.manifest.recipe.get("false_alarms")
    if output.alarm is None:
        yield f"By what it knows: if it is called anything but '{printable(good)}'."
    else:
        names, score = listed(output.alarm.classes), output.alarm.threshold
        yield (
            f"By what it knows: if the scores of {names} add up to {score:.3f} or more, which was "
            f"chosen on {output.alarm.positives:,} validation photos of them and the good ones."
        )
    share = f" so that at most {asked:.1%} of good photos are new" if asked else ""
    yield (
        f"By what it does not know: if it is {novelty.thresholds[0]:.2f} or more standard "
        "deviations less like good photos than these are, which was chosen on good validation "
        f"photos{share}."
    )


def _data(bundle: Bundle) -> Iterator[Part]:
    data = bundle.report().data
    splits = list(data.counts)
    names = dict.fromkeys(name for split in splits for name in data.counts[split])
    rows = tuple(
        (name, *(f"{data.counts[split].get(name, 0):,}" for split in splits)) for name in names
    )
    yield Table("Photos", ("shows", *splits), rows)
    ways = {
        "random": "at random, near duplicates together",
        "group": "by part: no part is on two sides",
        "time": "by time: the oldest were learned from, the newest tested",
        "declared": "as the table declares",
    }
    yield f"They were divided {ways.get(data.split_by, 'by whoever trained it')}."
    yield "Leaks between the sides: " + (" ".join(data.leaks[:3]) or "none were found.")
    if data.excluded:
        yield f"{data.excluded:,} files could not be used."


def _file(bundle: Bundle, name: str) -> Iterator[Part]:
    from kerasrecipes.verify.verification import Verification

    record = bundle.exports()[name]
    one = Verification.from_dict(record.verification)
    yield (
        f"{name}: {record.size_bytes / 1e6:.1f} MB, SHA-256 {record.sha256}. On {one.photos:,} "
        f"photos it and the trained model name the same class for {one.agreement:.1%}, and it is "
        f"right on {one.accuracy:.1%}, the trained model on {one.reference_accuracy:.1%}."
    )
    for decision in one.decisions:
        yield (
            f"At the operating point ({decision.name}) both act alike on {decision.agreement:.1%}: "
            f"{decision.lost:,} are lost, {decision.gained:,} gained."
        )
    yield from (f"Failed: {printable(failure)}" for failure in one.failures)


def _later(bundle: Bundle) -> Iterator[str]:
    yield (
        "The shares hold for photos like those that were tested: the same parts, light, camera and "
        "distance, and the kinds of defects that were there. Of others nothing was shown."
    )
    if PROFILE_FILE in bundle.manifest.sha256:
        yield (
            "The model keeps a sketch of what it was measured on. Each week: kerasrecipes drift "
            f"{printable(bundle.folder)} new_photos/ --history drift.db, which ends with 5 if the "
            "photos are no longer like them. Drift is not loss of accuracy: label some, and "
            "measure again."
        )
