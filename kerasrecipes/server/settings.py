"""What a server may take, and for how long."""

import ipaddress
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kerasrecipes.errors import is_number


@dataclass(frozen=True)
class ServerSettings:
    """Where a server listens, and its limits. Each limit has a message of its own.

    Args:
        host: The address; by default this machine alone.
        port: The port; 0 for any that is free.
        keys: A file of hashed keys, of which each request must bring one; see `new_key`.
        without_keys: Whether others than this machine may ask without a key.
        workers: How many answers are computed at once; by default one for each core.
        queue: How many requests may wait for that; more are refused, to be sent again.
        wait_seconds: How long they may; what is not begun by then is refused, too.
        max_body_mb: Largest request.
        max_held_mb: All requests together that are held in memory.
        max_batch: Most examples in one request.
        max_length: Most tokens of a text, or steps of a signal, where a model takes any number.
        connections: Most connections at once.
        header_seconds: How long a client may take to send the head of a request.
        body_seconds: How long for the rest, and then to receive the answer.
        total_seconds: How long a request may take in all.
        drain_seconds: How long it says that it is not ready before it takes no more requests.
        watch_seconds: How often it looks whether an alias means another version.
        batch: Up to how many examples of different requests are computed together; 1 for none.
        batch_delay_ms: How long the first of them waits for others.
        manage: Whether models may be loaded and unloaded by requests; with keys, by those that are
            marked `admin`.
        journal: A file that keeps what was answered; see `Journal`.
        review_queue: A folder that keeps what people should look at; see `ReviewQueue`.
        trust: Whose signatures count; versions without one of theirs are not served; see `Trust`.
        keep_photos: Whether that keeps the photos and texts, too.
        otel: Whether spans of requests go to an OpenTelemetry collector; where the usual `OTEL_`
            variables name one, they do without.

    Raises:
        ValueError: If a limit cannot be used, or others could ask without a key.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    keys: Path | None = None
    without_keys: bool = False
    workers: int | None = None
    queue: int = 64
    wait_seconds: float = 5
    max_body_mb: float = 32
    max_held_mb: float = 256
    max_batch: int = 256
    max_length: int = 5000
    connections: int = 1000
    header_seconds: float = 10
    body_seconds: float = 20
    total_seconds: float = 60
    drain_seconds: float = 0
    watch_seconds: float = 2
    batch: int = 1
    batch_delay_ms: float = 2
    manage: bool = False
    journal: Path | None = None
    review_queue: Path | None = None
    trust: Path | None = None
    keep_photos: bool = False
    otel: bool = False

    def __post_init__(self) -> None:
        for name in ("queue", "max_batch", "max_length", "connections", "batch"):
            self._check(name, 1, 1_000_000, whole=True)
        for name in ("max_body_mb", "max_held_mb", "wait_seconds", "header_seconds", "body_seconds",
                     "total_seconds", "watch_seconds"):  # fmt: skip
            self._check(name, 0.001, 1e6)
        for name in ("drain_seconds", "batch_delay_ms"):
            self._check(name, 0, 1e6)
        self._check("port", 0, 65535, whole=True)
        if self.workers is not None:
            self._check("workers", 1, 1024, whole=True)
        if self.max_held_mb < self.max_body_mb:
            raise ValueError(
                f"`max_held_mb` must be at least `max_body_mb`, {self.max_body_mb:g}, received "
                f"{self.max_held_mb:g}."
            )
        if self.batch == 1 and self.batch_delay_ms != type(self).batch_delay_ms:
            raise ValueError("`batch_delay_ms` has no effect without `batch`. Set it above 1.")
        if self.keep_photos and self.review_queue is None:
            raise ValueError("`keep_photos` has no effect without `review_queue`. Name a folder.")
        if not (self.is_local or self.keys or self.without_keys):
            raise ValueError(
                f"`host` {self.host!r} lets other machines ask. Give `keys`, so that not everybody "
                "may, or say `without_keys`."
            )

    def _check(self, name: str, low: float, high: float, whole: bool = False) -> None:
        value = getattr(self, name)
        if not is_number(value, low, high, whole=whole):
            kind = "a whole number" if whole else "a number"
            raise ValueError(
                f"`{name}` must be {kind} from {low:g} to {high:g}, received {value!r}."
            )

    @cached_property
    def is_local(self) -> bool:
        """Whether only this machine can ask."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def computing(self) -> int:
        """How many answers are computed at once."""
        return self.workers or len(os.sched_getaffinity(0))
