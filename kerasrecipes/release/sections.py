"""What a page about a saved model shows beyond the facts of its fit."""

from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.release.bundle import Bundle
from kerasrecipes.release.operating import VALIDATION_FILE, read_validation
from kerasrecipes.statistics.shown import in_words_of
from kerasrecipes.statistics.tables import Table

if TYPE_CHECKING:
    from kerasrecipes.drift.profile import ReferenceProfile
    from kerasrecipes.report.section import Section


def bundle_sections(bundle: Bundle, noun: str) -> "list[Section]":
    """Show what a saved model holds: scores at any threshold, its drift profile, its lineage.

    Args:
        bundle: The model.
        noun: What an example is called.

    Raises:
        IntegrityError: If a file of it was changed.
    """
    from kerasrecipes.drift.profile import PROFILE_FILE, ReferenceProfile
    from kerasrecipes.report.threshold_section import threshold_sections

    files, sections = bundle.manifest.sha256, []
    if VALIDATION_FILE in files:
        held = read_validation(bundle)
        told = held["targets"], held["answers"], held.get("groups")
        sections += threshold_sections(bundle.output, *told, noun)
    if PROFILE_FILE in files:
        path = bundle.folder / PROFILE_FILE
        profile = ReferenceProfile.read(path, bundle.read(PROFILE_FILE))
        sections.append(drift_section(profile, bundle.manifest.golden_split, noun))
    return [*sections, lineage_section(bundle)]


def drift_section(profile: "ReferenceProfile", split: str, noun: str = "photo") -> "Section":
    """Say what new examples are compared with, and how much of it there is.

    Args:
        profile: The profile of a model.
        split: Which of its examples were sketched.
        noun: What an example is called.
    """
    from kerasrecipes.drift.ordinary import ENOUGH_WINDOWS
    from kerasrecipes.drift.profile import DIRECTIONS, FEWEST
    from kerasrecipes.report.section import Section

    sizes = [size for size, _ in profile.facts.windows]
    told = (
        f"New photos are compared with {len(profile):,} of the {split} split, of which "
        "measurements are kept and no photo: kerasrecipes drift says what has moved, by how much, "
        f"and from which look on that is an alarm. Fewer than {FEWEST} new photos say nothing.",
        f"{len(sizes)} windows of its own, of {min(sizes):,} to {max(sizes):,} photos, tell how "
        "much they differ when nothing has changed."
        if sizes
        else "The photos have no times or large groups, so it has no windows of its own: what is "
        f"ordinary is learned from the first {ENOUGH_WINDOWS} looks.",
    )
    spread = np.quantile(profile.inputs, (0.05, 0.5, 0.95), axis=0).T if len(profile) else []
    rows = [
        (name.replace("_", " "), f"{middle:.4g}", f"{low:.4g} to {high:.4g}")
        for name, (low, middle, high) in zip(profile.facts.inputs, spread, strict=True)
    ]
    rows += [
        ("what the model sees", f"{DIRECTIONS} directions of {len(profile.centre):,} features", ""),
        ("what it answers", f"{profile.facts.output.width:,} scores", ""),
    ]
    words = tuple(in_words_of((noun, f"{noun}s"), line) for line in told)
    columns = ("watched", "median", "5% to 95% of them")
    return Section("What drift is measured from", (*words, Table("Watched", columns, tuple(rows))))


def lineage_section(bundle: Bundle, where: str = "at the end of this page") -> "Section":
    """Say which model this is, of which others it was made, and by what its files are known.

    Args:
        bundle: The model.
        where: Where its settings stand.
    """
    from kerasrecipes.report.section import Section

    told = bundle.manifest
    about = (
        f"Version {bundle.folder.name} of '{told.name}', made {told.created} by a recipe of the "
        f"type {told.recipe_type}. Its settings, seeds, pretrained weights, library versions and "
        f"the digests of its data stand {where}."
    )
    parents = tuple((one.model, one.how, one.sha256) for one in told.parents)
    made_of = Table("Made of", ("made of", "as", "SHA-256 of its bundle.json"), parents)
    digests = [("bundle.json, which holds all others", bundle.sha256)]
    digests += [(name, told.sha256[name]) for name in ("model.keras", "data.jsonl")]
    digests += [(one.path.name, one.sha256) for one in bundle.exports().values()]
    files = Table("Files", ("file", "SHA-256"), tuple(digests))
    none = "It was made of no other saved model."
    return Section("Lineage", (about, made_of if parents else none, files))
