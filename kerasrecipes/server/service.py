"""What answers requests, whatever their form: models, threads, limits, and what is counted."""

import asyncio
import time
import uuid
from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from kerasrecipes.data.shapes import is_of_shape
from kerasrecipes.errors import DataError
from kerasrecipes.serve.entry import JournalEntry
from kerasrecipes.serve.journal import Journal
from kerasrecipes.serve.predictor import Prediction
from kerasrecipes.server.batching import Answers, Batcher
from kerasrecipes.server.lane import Held, Lane, Unseen
from kerasrecipes.server.logbook import JournalWriter
from kerasrecipes.server.metrics import Metrics
from kerasrecipes.server.models import Models, Served
from kerasrecipes.server.refused import Refused, bad
from kerasrecipes.server.rollouts import MOST_BYTES, MOST_WAITING, Rollouts
from kerasrecipes.server.settings import ServerSettings
from kerasrecipes.server.tracing import tracing_for
from kerasrecipes.server.trial import Turn
from kerasrecipes.server.web.keys import Keys
from kerasrecipes.server.web.protocol import NAMES, Asked, parse_request

if TYPE_CHECKING:
    from kerasrecipes.server.for_review import ForReview

# Scores of a model with more classes are not kept.
_MOST_KEPT = 1000


class Service:
    """Everything behind the addresses of a server.

    Args:
        models: The models.
        settings: The limits.

    Raises:
        DataError: If the file of keys or the journal cannot be used.
        OSError: If one of them cannot be opened.
        MissingDependencyError: If spans are to be sent, and the extra `otel` is not installed.
        ValueError: If they are, and `OTEL_` variables say what cannot be done.
    """

    def __init__(self, models: Models, settings: ServerSettings):
        self.models, self.settings = models, settings
        self.tracing = tracing_for(settings.otel)
        self.keys = None if settings.keys is None else Keys(settings.keys)
        self.lane = Lane(settings.computing, settings.queue, settings.wait_seconds)
        self.held = Held(int(settings.max_held_mb * 1e6))
        self.metrics = Metrics(lambda: self.lane.waiting, lambda: self.held.held)
        dropped = self.metrics.unseen_dropped.inc
        self._unseen = Unseen(self.lane, MOST_WAITING, MOST_BYTES, dropped)
        self._for_review = self._review_queues()
        self.rollouts = Rollouts(models, self.metrics, self._unseen, self._for_review)
        self.draining = False
        self.journal: JournalWriter | None = None
        if settings.journal is not None:
            journal = Journal(settings.journal)
            self.journal = JournalWriter(journal, self.metrics.journal_dropped.inc)
        self._batchers: WeakKeyDictionary[Served, Batcher] = WeakKeyDictionary()

    def _review_queues(self) -> "ForReview | None":
        queue, keeps = self.settings.review_queue, self.settings.keep_photos
        if queue is None:
            return None
        from kerasrecipes.server.for_review import ForReview

        return ForReview(queue, keeps, self.metrics, self._unseen)

    @property
    def ready(self) -> bool:
        """Whether requests are answered."""
        return self.models.ready and not self.draining

    def drain(self) -> None:
        """Say from now on that it is not ready."""
        self.draining = True
        self.metrics.draining.set(1)

    def close(self) -> None:
        """End the threads, and write down what waits."""
        self._unseen.close()
        self.rollouts.close()
        self.lane.close()
        if self.journal is not None:
            self.journal.close()
        if self.tracing is not None:
            self.tracing.close()

    async def watch(self) -> None:
        """Look again and again what the aliases mean."""
        while True:
            await asyncio.sleep(self.settings.watch_seconds)
            await asyncio.to_thread(self.refresh)
            self.tell_versions()

    def refresh(self) -> None:
        """Look up what the aliases mean, and which candidates are tried."""
        self.models.refresh()
        self.rollouts.refresh()

    def tell_versions(self) -> None:
        """Count which versions answer."""
        told: dict[str, Any] = {
            str(one["name"]): one["version"] for one in self.models.state() if one["default"]
        }
        self.metrics.versions(told)

    def _batcher(self, served: Served) -> Batcher | None:
        settings = self.settings
        if settings.batch == 1:
            return None
        if (found := self._batchers.get(served)) is None:
            delay, told = settings.batch_delay_ms / 1e3, self.metrics.batches.observe
            model = served.predictor.model
            found = Batcher(model, self.lane, settings.batch, delay, told)
            self._batchers[served] = found
        return found

    async def infer(
        self, turn: Turn, body: bytes, header_length: str | None
    ) -> tuple[Served, Asked, dict[str, np.ndarray]]:
        """Answer tensors.

        Args:
            turn: What answers.
            body: The request.
            header_length: How much of it is JSON.

        Returns:
            What has answered, the request, and the answers.

        Raises:
            Refused: If it cannot be answered.
            DataError: If the file cannot take the input.
        """
        if turn.trial is not None and not turn.trial.same_input:
            turn = Turn(turn.trial.champion)
        try:
            asked, examples, answers, took = await self._infer(turn.served, body, header_length)
        except (Refused, DataError):
            raise
        except Exception as error:
            if not turn.is_tried:
                raise
            turn.served.tell_once(error)
            self.rollouts.failed(turn, None)
            turn = Turn(turn.instead().served)
            asked, examples, answers, took = await self._infer(turn.served, body, header_length)
        self.rollouts.inferred(turn, examples, answers, took)
        told = {name: np.asarray(rows, np.float32) for name, rows in answers.items()}
        return turn.served, asked, told

    async def _infer(
        self, served: Served, body: bytes, header_length: str | None
    ) -> tuple[Asked, np.ndarray, Answers, float]:
        """Return the request, its tensors, the answers, and the milliseconds these took."""

        def read() -> tuple[Asked, np.ndarray]:
            asked = parse_request(body, header_length)
            return asked, self._input(served, asked)

        def compute() -> tuple[Asked, np.ndarray, Answers, float]:
            asked, examples = read()
            started = time.perf_counter()
            answers = served.predictor.model(examples)
            return asked, examples, answers, (time.perf_counter() - started) * 1e3

        if (batcher := self._batcher(served)) is None:
            return await self.lane.run(compute)
        asked, examples = await self.lane.run(read)
        started = time.perf_counter()
        answers = await batcher.ask(examples)
        return asked, examples, answers, (time.perf_counter() - started) * 1e3

    def _input(self, served: Served, asked: Asked) -> np.ndarray:
        """Return the one input of a model, if the request has that and nothing else."""
        takes = served.predictor.input
        if set(asked.inputs) != {takes.name}:
            raise bad(
                f"{served.name!r} takes one input, {takes.name!r}; the request has "
                f"{', '.join(repr(name[:40]) for name in asked.inputs) or 'none'}."
            )
        found, most = asked.inputs[takes.name], self.settings.max_batch
        kind = NAMES[takes.dtype]
        fits = found.dtype.name == takes.dtype and is_of_shape(takes.shape, found.shape[1:])
        if not fits or 0 in found.shape:
            shape = [-1, *(-1 if side is None else side for side in takes.shape)]
            raise bad(
                f"{served.name!r} takes {kind} of shape {shape}; received "
                f"{NAMES[found.dtype.name]} of shape {list(found.shape)}."
            )
        if len(found) > most:
            raise bad(f"The request has {len(found):,} examples; at most {most:,} may be in one.")
        self._check_length(served, found)
        if found.dtype.kind == "f" and not served.predictor.modality.has_gaps:
            if np.isnan(found).any():
                raise bad(f"The input {takes.name!r} holds NaN, and no value may be missing here.")
        if reason := served.predictor.modality.fault(found, takes):
            raise bad(f"{served.name!r} cannot be asked: {reason}.")
        return found

    def _check_length(self, served: Served, inputs: np.ndarray) -> None:
        """Refuse what would keep a thread from all others for minutes.

        Raises:
            Refused: If it is longer than `max_length`.
        """
        free = (side is None for side in served.predictor.input.shape)
        long = max(compress(inputs.shape[1:], free), default=0)
        if long > (most := self.settings.max_length):
            raise bad(f"It is {long:,} long; at most {most:,} is answered. Send it in parts.")

    async def predict(self, turn: Turn, content: bytes) -> "Answered":
        """Answer one photo or text, count the answer, and keep it where that is asked for.

        Args:
            turn: What answers.
            content: The bytes of the photo or text.

        Raises:
            Refused: If too many wait.
        """
        started, request_id = time.perf_counter(), uuid.uuid4().hex
        tried = turn if turn.is_tried else None
        computed = None if tried is None else await self._tried(tried.served, content)
        if computed is None:
            turn = Turn(tried.instead().served) if tried else turn
            computed = await self._computed(turn.served, content)
            if tried is not None:
                self.rollouts.failed(tried, computed.found)
        took = (time.perf_counter() - started) * 1e3
        served, found = turn.served, computed.found
        self.rollouts.answered(turn, request_id, content, found, computed.ms)
        if self._for_review is not None:
            self._for_review.answered(served, request_id, content, found)
        self.metrics.prediction(served, found)
        if self.journal is not None:
            self.journal.add(_entry(served, request_id, computed, took))
        return Answered(served, request_id, found, took)

    async def _tried(self, served: Served, content: bytes) -> "_Computed | None":
        """Let a candidate answer; `None` if it cannot, so that nobody suffers from a trial."""
        try:
            found = await self._computed(served, content)
        except Refused:
            raise
        except Exception as error:
            served.tell_once(error)
            return None
        return None if found.found.error else found

    async def _computed(self, served: Served, content: bytes) -> "_Computed":
        predictor, batcher = served.predictor, self._batcher(served)

        def decode() -> tuple[np.ndarray | None, dict[str, float], Prediction]:
            try:
                one = predictor.decode(content)
            except DataError as error:
                return None, {}, Prediction("", error=str(error))
            self._check_length(served, one[None])
            measured = predictor.measure(one) if self.journal is not None else {}
            return one, measured, Prediction("")

        def answer() -> _Computed:
            started = time.perf_counter()
            one, measured, found = decode()
            answers: Answers = {} if one is None else predictor.model(one[None])
            found = predictor.read(answers) if answers else found
            return _Computed(found, answers, measured, (time.perf_counter() - started) * 1e3)

        if batcher is None:
            return await self.lane.run(answer)
        started = time.perf_counter()
        one, measured, found = await self.lane.run(decode)
        answers = {} if one is None else await batcher.ask(one[None])
        found = predictor.read(answers) if answers else found
        return _Computed(found, answers, measured, (time.perf_counter() - started) * 1e3)


@dataclass(frozen=True)
class Answered:
    """An answer to a photo or text.

    Args:
        served: What has answered.
        request_id: The answer's own id.
        found: The answer.
        ms: The milliseconds that it took.
    """

    served: Served
    request_id: str
    found: Prediction
    ms: float


@dataclass(frozen=True)
class _Computed:
    found: Prediction
    answers: Answers
    measured: dict[str, float]
    ms: float


def _entry(served: Served, request_id: str, computed: _Computed, took: float) -> JournalEntry:
    """Return an answer as it is kept: no photo, and no text."""
    output, found = served.predictor.output, computed.found
    rows = computed.answers.get(output.name)
    kept = rows is not None and rows.shape[-1] <= _MOST_KEPT and not found.error
    return JournalEntry(
        request_id=request_id, at=time.time(), bundle=served.name, version=served.version,
        digest=served.digest, label=found.label, alarm=found.alarm, novelty=found.novelty,
        number=found.number, abstained=found.abstained, latency_ms=took,
        confidence=found.score if found.scores else None, inputs=computed.measured,
        answer=tuple(map(float, rows[0])) if kept and rows is not None else (),
        error="it cannot be read" if found.error else "",
    )  # fmt: skip
