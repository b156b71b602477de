"""Photos, or texts that a server kept, and a model in; a page to put labels right out."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.backbones.spec import BackboneSpec
from kerasrecipes.backbones.weights_cache import kept_arrays
from kerasrecipes.bundles.bundle import SEAL
from kerasrecipes.console import say
from kerasrecipes.data.examples import Examples
from kerasrecipes.data.tables.decisions import decisions_file
from kerasrecipes.diagnosis.mistakes import find_mistakes
from kerasrecipes.errors import DataError, printable
from kerasrecipes.evaluation.mistakes.suspect import ASKED_KINDS, KINDS, Kind, Suspect
from kerasrecipes.files import digest
from kerasrecipes.photos.photo_set import PhotoSet
from kerasrecipes.records import parse_json
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.review.pictures import Heatmaps
from kerasrecipes.review.server import ReviewServer
from kerasrecipes.review.session import Session, decided, under_decisions
from kerasrecipes.serve.review_queue import Queued, ReviewQueue
from kerasrecipes.texts.scan import read_text
from kerasrecipes.texts.text_set import Text, TextSet
from kerasrecipes.training.refitting import refuse_other_data

_MOST = 1 << 30


@named
def review_photos(
    bundle: Bundle | str | Path,
    photos: str | Path,
    *,
    label: str | None = None,
    labels: str | Sequence[str] | None = None,
    value: str | None = None,
    to: str | Path | None = None,
    who: str | None = None,
    port: int = 0,
    backbone: str | BackboneSpec = "efficientnet_lite0",
    seed: int = 0,
) -> ReviewServer:
    """Prepare a page on this machine on which a person puts the labels of photos right.

    It shows labels that are likely wrong, look-alikes with different labels, what the model was
    surest of and wrong about, and photos that are like no other; and keeps each decision in a file
    that `scan_photos`, and so each training, takes into account.

    Args:
        bundle: A bundle, or its folder; a model's folder stands for its latest version.
        photos: A folder or table of labelled photos; the model may have learned from them. Or what
            a server kept, photos or texts, e.g. `queue/tiles`; see `ReviewQueue`.
        label: The table's column of one class each; see `scan_photos`.
        labels: The table's column of several labels each, or one column per label.
        value: The table's column of a number each.
        to: The file of decisions; by default `labels.csv` in the folder, or `tiles.labels.csv`
            beside a table `tiles.csv`. What it says already is shown, and counts.
        who: Who decides; by default the name of this user.
        port: A port of this machine; 0 for any that is free.
        backbone: Whose features labels are doubted by; see `find_mistakes`.
        seed: Seed of the search.

    Returns:
        A server on 127.0.0.1: open its `address` in a browser and call its `serve_forever()`.

    Raises:
        DataError: If the photos cannot be scanned, the model does not know their classes, or the
            file holds something else or cannot be written.
        IntegrityError: If a file of the bundle was changed.
        OSError: If the port is taken.
    """
    bundle = Bundle.load(bundle)
    instead = "Ask `mistakes` with the model which to look at first, and put labels right there."
    queue = ReviewQueue(photos)
    if not (queue.exists and bundle.manifest.modality == "texts"):
        refuse_other_data(bundle.manifest.modality, "A review", instead)
    table, waiting = queue.write_table() if queue.exists else (Path(photos), [])
    file = decisions_file(Path(os.path.abspath(table))) if to is None else Path(to)
    _check_writable(file)
    server = ReviewServer(port)
    try:
        columns: dict[str, Any] = {"label": label, "labels": labels, "value": value}
        scanned = _scanned(bundle, table, waiting, columns)
        decided(scanned, file)  # before what takes long
        suspects = _asked(scanned, waiting)
        if not waiting:
            known = under_decisions(cast(PhotoSet, scanned), file)
            suspects = _suspects(bundle, known, backbone, seed)
        session = Session(scanned, suspects, ASKED_KINDS if waiting else KINDS, file, who=who)
        if bundle.class_names and session.pictures:
            session.heatmap = Heatmaps(bundle, session.pictures)
        server.session = session
    except BaseException:
        server.server_close()
        raise
    noun = scanned.noun[1]
    say(f"{len({one.index for one in suspects})} of {len(scanned)} {noun} are worth a look.")
    return server


def _scanned(
    bundle: Bundle, table: Path, waiting: Sequence[Queued], columns: dict[str, Any]
) -> PhotoSet | TextSet:
    """Return what to review; of what a server kept, any class may be the right one."""
    if bundle.manifest.modality == "texts":
        texts = (Text(read_text(table.parent / one.file), one.label, one.file) for one in waiting)
        return TextSet(tuple(texts), bundle.class_names, table)
    asked = {name: given for name, given in columns.items() if given}
    photos = cast(PhotoSet, bundle.scan(table, labels_from=None, **asked))
    return replace(photos, class_names=bundle.class_names) if waiting else photos


def _asked(examples: Examples, waiting: Sequence[Queued]) -> list[Suspect]:
    """Return what a server kept, as something to look at."""
    by_sha256 = {one.sha256: one for one in waiting}
    found = [(i, by_sha256[p.key]) for i, p in enumerate(examples.items) if p.key in by_sha256]
    return [
        Suspect(cast(Kind, one.kind), i, 1.0, one.label, one.suggestion, (), one.reason)
        for i, one in sorted(found, key=lambda pair: (pair[1].kind, pair[1].at))
    ]


def _suspects(
    bundle: Bundle, photos: PhotoSet, backbone: str | BackboneSpec, seed: int
) -> list[Suspect]:
    """Find what to look at, or take what was found before of the same photos and labels."""

    def look() -> dict[str, np.ndarray]:
        found = find_mistakes(photos, bundle, backbone=backbone, seed=seed)
        for note in found.notes:
            say(f"Note: {printable(note)}")
        text = json.dumps([one.to_dict() for one in found.suspects])
        return {"suspects": np.frombuffer(text.encode(), np.uint8)}

    name = backbone if isinstance(backbone, str) else backbone.name
    told = [digest(bundle.folder / SEAL), name, str(seed), *map(str, photos.groups)]
    told += [f"{photo.key} {json.dumps(photo.label)}" for photo in photos.photos]
    key = hashlib.sha256("\n".join(told).encode(errors="surrogateescape")).hexdigest()
    kept = kept_arrays(f"review-{key[:32]}", look, _MOST, "findings about photos")
    return [Suspect.from_dict(one) for one in parse_json(kept["suspects"].tobytes())]


def _check_writable(file: Path) -> None:
    folder = file.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        reason = "cannot be written" if folder.is_dir() else "does not exist"
        raise DataError(
            f"Decisions cannot be kept in '{printable(file)}': the folder {reason}. Name another "
            "file by to= (--to), and give it to each training by labels_from= (--labels-from)."
        )
