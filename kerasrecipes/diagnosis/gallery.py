"""The examples to look at first, as sections of a page."""

from collections.abc import Sequence
from pathlib import Path

from kerasrecipes.backbones.spec import Backbone
from kerasrecipes.data.examples import Examples
from kerasrecipes.diagnosis.mistakes import Mistakes, find_mistakes
from kerasrecipes.evaluation.mistakes.suspect import KINDS, in_words
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.report.section import SIDE, Section, Thumbnail
from kerasrecipes.statistics.tables import Table, shorten_text
from kerasrecipes.training.bundle_evaluation import evaluate_bundle

_OF_A_KIND = 12
_OF_A_CLUSTER = 6
_OF_A_TEXT = 200


def gallery(found: Mistakes) -> list[Section]:
    """Show the first suspects of each kind, and some mistakes of each cluster.

    Args:
        found: What `find_mistakes` returned.

    Returns:
        Sections for `write_report`; none for kinds of which there are no suspects.

    Raises:
        DataError: If a photo that is to be shown has changed since it was scanned.
    """
    sections = []
    for kind, title in KINDS.items():
        suspects = found.of(kind)
        if suspects:
            captions = [
                (found.name(one.index), _change(one.label, one.suggestion), one.reason)
                for one in suspects[:_OF_A_KIND]
            ]
            rows = [one.index for one in suspects[:_OF_A_KIND]]
            shown = f"The first {len(rows)} of {len(suspects):,}, the most suspicious first."
            sections.append(_section(title, shown, found, rows, captions))
    for number, cluster in enumerate(found.clusters, start=1):
        rows = list(cluster.rows[:_OF_A_CLUSTER])
        items = found.examples.items
        captions = [(found.name(row), in_words(items[row].label), "") for row in rows]
        alone = len(found.clusters) == 1
        together = f"Mistakes that lie together, {number}"
        title = "What the mistakes have in common" if alone else together
        shared = [str(one) for one in cluster.traits] or ["nothing of what was compared"]
        told = (
            f"{len(cluster.rows)} mistakes. Beside the answers that are right: "
            f"{'; '.join(shared)}. In brackets: 95% intervals that hold for all {found.compared} "
            "comparisons at once."
        )
        sections.append(_section(title, told, found, rows, captions))
    return sections


def page_sections(
    bundle: Bundle | str | Path,
    photos: Examples | str | Path,
    slices: Sequence[str] = (),
    backbone: str | Backbone | None = None,
) -> list[Section]:
    """Say on a page what to look at first, and where a model is worse.

    Args:
        bundle: A saved model, or its folder.
        photos: What `find_mistakes` looks at.
        slices: What to cut the photos by; see `evaluate_bundle`.
        backbone: See `find_mistakes`.

    Raises:
        DataError: If the photos cannot be read, or there is nothing by the name of a slice.
    """
    sections = []
    if slices:
        found = evaluate_bundle(bundle, photos, slices=slices).slices
        sections = [] if found is None else [Section("Where it is worse", (found,))]
    return [*sections, *gallery(find_mistakes(photos, bundle, backbone=backbone))]


def _change(label: str, suggestion: str) -> str:
    return f"{label} → {suggestion}" if suggestion else label


def _section(
    title: str, told: str, found: Mistakes, rows: Sequence[int], captions: Sequence[tuple[str, ...]]
) -> Section:
    """Show photos as small ones, and texts as a table."""
    if found.examples.modality == "photos":
        return Section(title, (told,), _thumbnails(found, rows, captions))
    texts = found.examples.select(rows).shown(())
    lines = tuple(
        (name, *(*more, "")[:2], shorten_text(" ".join(str(text).split()), _OF_A_TEXT))
        for (name, *more), text in zip(captions, texts, strict=True)
    )
    table = Table("", (found.examples.noun[0], "label", "why", "what it says"), lines)
    return Section(title, (told, table))


def _thumbnails(
    found: Mistakes, rows: Sequence[int], captions: Sequence[tuple[str, ...]]
) -> tuple[Thumbnail, ...]:
    photos = found.examples.select(rows).each((SIDE, SIDE, 3))
    pairs = zip(photos, captions, strict=True)
    return tuple(Thumbnail.of(pixels, *filter(None, lines)) for pixels, lines in pairs)
