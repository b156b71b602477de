"""What a server counts, for Prometheus; no label takes more values than are known beforehand."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from kerasrecipes.serve.predictor import Prediction
from kerasrecipes.server.models import Served

_PREFIX = "kerasrecipes_"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_SHARES = tuple(step / 10 for step in range(1, 11))
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
# Of a model with more classes, the rest is counted as one.
MOST_CLASSES = 50


class Metrics:
    """Counters, gauges and histograms of one server.

    Args:
        waiting: Returns how many requests wait.
        held_bytes: Returns how many bytes of requests are in memory.
    """

    def __init__(self, waiting: Callable[[], float], held_bytes: Callable[[], float]):
        self._registry = CollectorRegistry()
        self._requests = self._counter("requests", "Requests.", "route", "status")
        self._seconds = self._histogram(
            "request_seconds", "Time from head to answer.", _SECONDS, "route"
        )
        self._predictions = self._counter(
            "predictions", "Answers by class.", "model", "version", "answer"
        )
        self._flags = self._counter(
            "flags", "Alarms, new ones, and those left to a person.", "model", "flag"
        )
        self._confidence = self._histogram(
            "confidence", "Score of what is answered.", _SHARES, "model"
        )
        self._versions = self._gauge("model_version", "Version that answers.", "model")
        self.batches = self._histogram("batch_size", "Examples computed together.", _SIZES)
        self.journal_dropped = self._counter("journal_dropped", "Answers that could not be kept.")
        self.log_dropped = self._counter("log_dropped", "Lines of the log that were not written.")
        self.unseen_dropped = self._counter(
            "unseen_dropped", "Comparisons for which there was no time."
        )
        self._tried = self._counter(
            "rollout_answers", "Answers of both versions of a rollout.", "model", "side"
        )
        self._for_review = self._counter(
            "review_queue", "What people should look at.", "model", "what"
        )
        self._evidence = self._gauge(
            "rollout_evidence", "From 1 on a candidate is taken back.", "model", "guard"
        )
        self.draining = self._gauge("draining", "Whether the server ends.")
        self._gauge("waiting", "Requests that wait to be computed.").set_function(waiting)
        self._gauge("held_bytes", "Bytes of requests in memory.").set_function(held_bytes)

    def _counter(self, name: str, told: str, *labels: str) -> Counter:
        return Counter(f"{_PREFIX}{name}", told, labels, registry=self._registry)

    def _gauge(self, name: str, told: str, *labels: str) -> Gauge:
        return Gauge(f"{_PREFIX}{name}", told, labels, registry=self._registry)

    def _histogram(
        self, name: str, told: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(f"{_PREFIX}{name}", told, labels, buckets=buckets, registry=self._registry)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            route: The pattern of its address, not the address.
            status: Of the answer.
            seconds: How long it took.
        """
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def prediction(self, served: Served, found: Prediction) -> None:
        """Count an answer.

        Args:
            served: What answered.
            found: The answer.
        """
        known = served.predictor.class_names[:MOST_CLASSES]
        answer = "error" if found.error else found.label if found.label in known else "other"
        if found.abstained:
            answer = "left to a person"
        elif found.number is not None:
            answer = "number"
        self._predictions.labels(served.name, str(served.version), answer).inc()
        flags = {"alarm": found.alarm, "new": found.is_new, "left to a person": found.abstained}
        for flag, raised in flags.items():
            if raised:
                self._flags.labels(served.name, flag).inc()
        if found.scores:
            self._confidence.labels(served.name).observe(found.score)

    def versions(self, default: dict[str, int]) -> None:
        """Say which versions answer now.

        Args:
            default: By model.
        """
        self._versions.clear()
        for name, version in default.items():
            self._versions.labels(name).set(version)

    def tried(self, model: str, side: str) -> None:
        """Count an answer that was given while a candidate is tried.

        Args:
            model: The model.
            side: Who gave it.
        """
        self._tried.labels(model, side).inc()

    def for_review(self, model: str, what: str) -> None:
        """Count what people should look at.

        Args:
            model: The model.
            what: Whether it was `"kept"` or `"dropped"`.
        """
        self._for_review.labels(model, what).inc()

    def evidence(self, by_model: dict[str, dict[str, float]]) -> None:
        """Say what there is against each candidate.

        Args:
            by_model: By model and guard, 0…1.
        """
        self._evidence.clear()
        for model, guards in by_model.items():
            for guard, value in guards.items():
                self._evidence.labels(model, guard).set(value)

    def page(self) -> bytes:
        """Return all of it as Prometheus reads it."""
        return generate_latest(self._registry)
