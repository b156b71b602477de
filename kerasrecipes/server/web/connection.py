"""Connections that end when a client sends nothing, and a server that says so before it ends."""

import asyncio
import re
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, ClassVar

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

LARGEST_HEAD = 1 << 15
# Requests that one client may send before it has the answer to the first of them.
MOST_PIPELINED = 100
# Bytes of a body that nobody has taken yet, from which on no more are read.
_MOST_UNTAKEN = 1 << 20
_UPGRADE = re.compile(rb"\r\n(?=upgrade[ \t]*:)", re.IGNORECASE)


class Punctual(HttpToolsProtocol):
    """HTTP/1.1 with deadlines for heads and for taking answers, and an end to what is no body.

    Uvicorn itself waits for ever for the first head, for one of which a byte came, and for clients
    that do not take their answers, even when it closes their connections; heads and trailers may be
    of any size, and requests that come at once of any number.
    """

    header_seconds: ClassVar[float]
    answer_seconds: ClassVar[float]
    _deadline: asyncio.TimerHandle | None = None
    _untaken: asyncio.TimerHandle | None = None
    _unfinished = 0

    def connection_made(self, transport: Any) -> None:
        """Wait for the first head."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(0)  # so that it is told of all that is not taken
        self._wait_for_head()

    def pause_writing(self) -> None:
        """Wait until the client takes what was sent, and no longer than it may."""
        super().pause_writing()
        self._untaken = self.loop.call_later(self.answer_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on, since all was taken."""
        super().resume_writing()
        self._taken()

    def _taken(self) -> None:
        if self._untaken is not None:
            self._untaken.cancel()
            self._untaken = None

    def data_received(self, data: bytes) -> None:
        """Go on waiting until a head is whole, and no longer than a head may be."""
        self._unfinished += len(data)
        is_head = self.cycle is None or self.cycle.response_complete
        super().data_received(_without_upgrade(data) if is_head else data)
        if self._unfinished > LARGEST_HEAD and not self.transport.is_closing():
            self.send_400_response(f"A head may have {LARGEST_HEAD} bytes.")
        if self.cycle is None or self.cycle.response_complete:
            self._wait_for_head()
        else:
            self._stop_waiting()

    def on_headers_complete(self) -> None:
        """Begin with the request."""
        self._unfinished = 0
        if len(self.pipeline) >= MOST_PIPELINED:
            raise ValueError("too many requests at once")  # the parser stops: 400, and an end
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:
            _send_together(self.cycle)

    def on_body(self, body: bytes) -> None:
        """Take a part of a body, and wait with the next where too much of it was not taken yet."""
        self._unfinished = 0
        if self.cycle.response_complete:
            return
        self.cycle.body += body
        # Uvicorn stops at 64 kB, below what comes at once: each photo would stop it.
        if len(self.cycle.body) > _MOST_UNTAKEN:
            self.flow.pause_reading()
        self.cycle.message_event.set()

    def on_message_complete(self) -> None:
        """Let the body end."""
        self._unfinished = 0
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        self._taken()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.header_seconds, self._end)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end(self) -> None:
        self._deadline = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()


class _Together:
    """A transport that sends the head of an answer with what follows it: both wake a client once.

    Answers here have their body at once; a stream's head would wait for its first part.
    """

    def __init__(self, cycle: RequestResponseCycle):
        self._cycle, self._transport = cycle, cycle.transport
        self._complete, self._head, self._had_head = cycle.on_response, b"", False

    def write(self, data: bytes) -> None:
        """Send something, but keep the head."""
        if self._cycle.response_started and not self._had_head:
            self._head, self._had_head = data, True
        else:
            self._transport.write(self._head + data if self._head else data)
            self._head = b""

    def _flush(self) -> None:
        if self._head:
            self.write(b"")

    def close(self) -> None:
        """Send what was kept, and end the connection."""
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Tell whether the connection ends."""
        return self._transport.is_closing()

    def complete(self) -> None:
        """Send what was kept, e.g. where only the head was asked for, and go on."""
        self._flush()
        self._complete()


def _send_together(cycle: RequestResponseCycle) -> None:
    together: Any = _Together(cycle)
    cycle.transport, cycle.on_response = together, together.complete


def _without_upgrade(data: bytes) -> bytes:
    """Let a head not ask for another protocol, as Java's client does for HTTP/2.

    Whoever asks must take an answer by HTTP/1.1, but httptools would read no body then.
    """
    end = data.find(b"\r\n\r\n")
    found = _UPGRADE.search(data, 0, len(data) if end < 0 else end)
    return data if found is None else data[: found.end()] + b"x-" + data[found.end() :]


def protocol_with(header_seconds: float, answer_seconds: float) -> type[Punctual]:
    """Return a protocol that ends connections of clients that let it wait.

    Args:
        header_seconds: From the connection, or the first byte, to the end of the head.
        answer_seconds: How long a client may take to receive what was sent.
    """
    limits = {"header_seconds": header_seconds, "answer_seconds": answer_seconds}
    return type("Punctual", (Punctual,), limits)


class DrainingServer(uvicorn.Server):
    """Says that it is not ready, then takes no more connections, then ends what it has begun.

    Args:
        config: Of uvicorn.
        drain_seconds: How long it only says so.
        on_ready: Called once it takes connections.
        on_drain: Called when it begins to end.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        drain_seconds: float,
        on_ready: Callable[[], None],
        on_drain: Callable[[], None],
    ):
        super().__init__(config)
        self._drain_seconds, self._draining = drain_seconds, False
        self._on_ready, self._on_drain = on_ready, on_drain

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to take connections."""
        await super().startup(sockets)
        self._on_ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals that end a process while the block runs; it ends well then."""
        taken = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in taken}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; a second signal waits for nothing more."""
        drained, self._draining = self._draining, True
        self._on_drain()
        if drained or not self._drain_seconds:
            return super().handle_exit(sig, frame)
        loop, end = asyncio.get_running_loop(), super().handle_exit
        loop.call_later(self._drain_seconds, end, sig, frame)
