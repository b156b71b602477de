"""Keeping what people should look at, out of the way of answers."""

import hashlib
import time
from codecs import BOM_UTF8
from pathlib import Path

from kerasrecipes.console import warn
from kerasrecipes.data.examples import CLASS
from kerasrecipes.errors import DataError, first_line, printable
from kerasrecipes.heads import get_task
from kerasrecipes.photos.inspection import ending_of
from kerasrecipes.rollout.judge import Seen
from kerasrecipes.serve.predictor import Prediction
from kerasrecipes.serve.review_queue import ABSTAINED, DISAGREEMENT, NEW, Queued, ReviewQueue
from kerasrecipes.server.lane import Unseen
from kerasrecipes.server.metrics import Metrics
from kerasrecipes.server.models import Served


class ForReview:
    """The queues of all models.

    Args:
        root: The folder that holds them.
        keeps: Whether photos and texts are kept, too.
        metrics: What is counted.
        unseen: Where it is done.
    """

    def __init__(self, root: Path, keeps: bool, metrics: Metrics, unseen: Unseen):
        self._root, self._keeps, self._metrics, self._unseen = root, keeps, metrics, unseen
        self._told: set[str] = set()

    def answered(self, served: Served, request_id: str, content: bytes, found: Prediction) -> None:
        """Keep what was left to a person, or is new to the model, later; and nothing else.

        Args:
            served: What has answered.
            request_id: The answer's id.
            content: The photo or text.
            found: The answer.
        """
        if found.abstained:
            kind, reason = ABSTAINED, "the model left it to a person"
        elif found.is_new:
            kind, reason = NEW, f"its novelty, {found.novelty:.3g}, reaches the model's threshold"
        else:
            return
        content = _as_kept(served, content)
        label = next(iter(found.scores), "")
        one = _queued(served, request_id, content, kind, reason, label)
        self._unseen.add(lambda: self.add(served, one, content), len(content))

    def differs(
        self, request_id: str, content: bytes, champion: tuple[Served, Seen], other: Seen
    ) -> None:
        """Keep what two versions answer otherwise; to be called where nobody waits.

        Args:
            request_id: The answer's id.
            content: The photo or text.
            champion: The version in use, and what it says.
            other: What the other one says.
        """
        served, mine = champion
        content = _as_kept(served, content)
        said, otherwise = (", ".join(one.labels) for one in (mine, other))
        reason = f"the version in use says '{said or 'nothing'}', the other '{otherwise}'"
        one = _queued(served, request_id, content, DISAGREEMENT, reason, said or otherwise)
        self.add(served, one.model_copy(update={"suggestion": otherwise}), content)

    def add(self, served: Served, one: Queued, content: bytes) -> None:
        """Keep one, or count that there was no room.

        Args:
            served: What has answered.
            one: What to look at.
            content: The photo or text.
        """
        if get_task(served.predictor.output.task).target != CLASS:
            self._tell(served.name, "it names no single class, so nothing of it is kept")
            return
        content, ending = self._kept(served, content)
        try:
            kept = ReviewQueue(self._root / served.name).add(one, content, ending)
        except OSError as error:
            kept = False
            self._tell(served.name, first_line(error))
        else:
            if not kept:
                self._tell(served.name, "it is full. Review it, and take over what is decided")
        self._metrics.for_review(served.name, "kept" if kept else "dropped")

    def _kept(self, served: Served, content: bytes) -> tuple[bytes, str]:
        if not self._keeps:
            return b"", ""
        if served.predictor.reads_texts:
            return content, ".txt"
        try:
            return content, ending_of(content)
        except DataError:  # no photo: a recording
            self._tell(served.name, "of recordings only the digest is kept")
            return b"", ""

    def _tell(self, name: str, problem: str) -> None:
        if name not in self._told:
            self._told.add(name)
            warn(f"The review queue of '{printable(name)}': {problem}")


def _as_kept(served: Served, content: bytes) -> bytes:
    """Return a text as its digest is known, whatever it was sent with; a photo as it is."""
    return content.removeprefix(BOM_UTF8) if served.predictor.reads_texts else content


def _queued(
    served: Served, request_id: str, content: bytes, kind: str, reason: str, label: str
) -> Queued:
    return Queued(
        sha256=hashlib.sha256(content).hexdigest(), kind=kind, reason=reason, label=label,
        model=served.name, version=served.version, request_id=request_id, at=time.time(),
    )  # fmt: skip
