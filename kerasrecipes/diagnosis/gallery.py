"""The examples to look at first, as sections of a page."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from kerasrecipes.backbones.spec import Backbone
from kerasrecipes.console import say
from kerasrecipes.data.examples import Examples
from kerasrecipes.diagnosis.mistakes import Mistakes, find_mistakes
from kerasrecipes.diagnosis.over_time import evaluate_over_time
from kerasrecipes.diagnosis.stress import stress_bundle
from kerasrecipes.errors import is_refusal
from kerasrecipes.evaluation.mistakes.suspect import KINDS, in_words
from kerasrecipes.explaining.heatmap import Heatmap
from kerasrecipes.photos.photo_set import PhotoSet
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.release.explaining import Explainer
from kerasrecipes.report.section import SIDE, Section, Thumbnail
from kerasrecipes.statistics.tables import Table, shorten_text
from kerasrecipes.training.bundle_evaluation import evaluate_bundle

_OF_A_KIND = 12
_OF_A_CLUSTER = 6
_OF_A_TEXT = 200


_HEATMAPS = "Beside each photo: where what the model says of it comes from."
_BETWEEN = 4  # pixels between a photo and its heatmap


def gallery(found: Mistakes, explainer: Explainer | None = None) -> list[Section]:
    """Show the first suspects of each kind, and some mistakes of each cluster.

    Args:
        found: What `find_mistakes` returned.
        explainer: Draws beside each photo where the model's answer comes from; `None` for photos
            alone.

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
            sections.append(_section(title, shown, found, rows, captions, explainer))
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
        sections.append(_section(title, told, found, rows, captions, explainer))
    return sections


def page_sections(
    bundle: Bundle | str | Path,
    photos: Examples | str | Path,
    slices: Sequence[str] = (),
    backbone: str | Backbone | None = None,
    *,
    stress: bool = False,
    over_time: bool = False,
) -> list[Section]:
    """Say on a page what to look at first, and where a model is worse.

    Args:
        bundle: A saved model, or its folder.
        photos: What `find_mistakes` looks at.
        slices: What to cut the photos by; see `evaluate_bundle`.
        backbone: See `find_mistakes`.
        stress: Whether to add what `stress_bundle` says.
        over_time: Whether to add what `evaluate_over_time` says.

    Raises:
        DataError: If the photos cannot be read, there is nothing by the name of a slice, or photos
            that are judged over time have no times.
    """
    bundle, sections = Bundle.load(bundle), []
    examples = bundle.scan(photos)
    if slices:
        found = evaluate_bundle(bundle, examples, slices=slices).slices
        sections += [] if found is None else [Section("Where it is worse", (found,))]
    if stress:
        sections.append(Section("What it bears", (stress_bundle(bundle, examples),)))
    if over_time:
        found_then = evaluate_over_time(examples, backbone=backbone)
        sections.append(Section("What comes later", (found_then,)))
    mistakes = find_mistakes(examples, bundle, backbone=backbone)
    return [*sections, *gallery(mistakes, _explainer(bundle))]


def _explainer(bundle: Bundle) -> Explainer | None:
    """Return what draws heatmaps of a model of photos, if it has features with places."""
    if bundle.manifest.modality != "photos":
        return None
    try:
        return Explainer(bundle)
    except ValueError as error:
        if not is_refusal(error):
            raise
        say(f"Photos are shown without heatmaps: {error}")
        return None


def _change(label: str, suggestion: str) -> str:
    return f"{label} → {suggestion}" if suggestion else label


def _section(
    title: str,
    told: str,
    found: Mistakes,
    rows: Sequence[int],
    captions: Sequence[tuple[str, ...]],
    explainer: Explainer | None,
) -> Section:
    """Show photos as small ones, and texts as a table."""
    if found.examples.modality == "photos":
        told += "" if explainer is None else f" {_HEATMAPS}"
        return Section(title, (told,), _thumbnails(found, rows, captions, explainer))
    texts = found.examples.select(rows).shown(())
    lines = tuple(
        (name, *(*more, "")[:2], shorten_text(" ".join(str(text).split()), _OF_A_TEXT))
        for (name, *more), text in zip(captions, texts, strict=True)
    )
    table = Table("", (found.examples.noun[0], "label", "why", "what it says"), lines)
    return Section(title, (told, table))


def _thumbnails(
    found: Mistakes,
    rows: Sequence[int],
    captions: Sequence[tuple[str, ...]],
    explainer: Explainer | None,
) -> tuple[Thumbnail, ...]:
    chosen = found.examples.select(rows)
    photos = [np.asarray(one) for one in chosen.shown((SIDE, SIDE, 3))]
    if explainer is not None and isinstance(chosen, PhotoSet):
        maps = explainer.explain_all(chosen, [None] * len(rows))
        photos = [_beside(one, heat) for one, heat in zip(photos, maps, strict=True)]
    pairs = zip(photos, captions, strict=True)
    paired = explainer is not None
    return tuple(
        Thumbnail.of(pixels, *filter(None, lines), paired=paired) for pixels, lines in pairs
    )


def _beside(photo: np.ndarray, heat: Heatmap) -> np.ndarray:
    """Draw a photo, and beside it where the model's answer comes from."""
    space = np.full((len(photo), _BETWEEN, 3), 255, np.uint8)
    return np.hstack([photo, space, np.asarray(heat.overlay(Image.fromarray(photo)))])
