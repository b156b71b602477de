"""A receiver for devices: what they send, once or several times, is in the journal once."""

import hmac
import io
import json
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from kerasrecipes.arguments import named
from kerasrecipes.console import warn
from kerasrecipes.errors import KerasRecipesError, first_line
from kerasrecipes.records import checked, parse_json
from kerasrecipes.serve.entry import JournalEntry
from kerasrecipes.serve.journal import Journal

PATH = "/collect"
LARGEST, SECONDS, MOST_LINES = 8 << 20, 20.0, 1000
# More callers at once wait in the system's queue.
_CALLERS = 32
LONGEST_NAME = 100


class Batch(BaseModel):
    """What a device sends.

    Args:
        device: Its name.
        queue: What tells its queue from all others.
        dropped: How many answers it has dropped, ever.
        doubted: Numbers of answers that it dropped after it had sent them, without knowing whether
            they arrived, and for how many each stood.
        lines: Answers with their numbers, which only rise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str = Field(max_length=LONGEST_NAME)
    queue: str = Field(min_length=1, max_length=100)
    dropped: int = Field(default=0, ge=0, lt=2**53)
    doubted: tuple[tuple[int, PositiveInt], ...] = Field(default=(), max_length=MOST_LINES)
    lines: tuple[tuple[int, JournalEntry], ...] = Field(max_length=MOST_LINES)


@named
class Collector:
    """Takes what devices send, by `POST /collect`, into a journal.

    Args:
        journal: Where it is kept; a batch is there before it is acknowledged.
        token: What a device must show.
        host: The address to listen at.
        port: The port; 0 for one that is free.

    Raises:
        ValueError: If `journal` is none, or the token shorter than 16 signs.
        OSError: If the port is taken.
    """

    def __init__(self, journal: Journal, token: str, host: str = "127.0.0.1", port: int = 0):
        if not isinstance(journal, Journal):
            raise ValueError(f"`journal` must be a Journal, not {type(journal).__name__}.")
        if len(token) < 16:
            raise ValueError("`token` must have 16 signs or more: whoever knows it is let in.")
        self._journal, self._token = journal, token
        self._server = _Server(self, host, port)

    @property
    def address(self) -> str:
        """Where devices send to."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}{PATH}"

    def serve(self) -> None:
        """Take what comes, until `close`."""
        self._server.serve_forever()

    def close(self) -> None:
        """End `serve`, which another thread runs; what was acknowledged is kept."""
        self._server.shutdown()
        self.stop()

    def stop(self) -> None:
        """Let the port go."""
        self._server.server_close()

    def lets_in(self, shown: str) -> bool:
        """Tell whether a device showed the token.

        Args:
            shown: What it says of itself.
        """
        return hmac.compare_digest(shown.encode(), f"Bearer {self._token}".encode())

    @named
    def take(self, content: bytes) -> dict[str, Any]:
        """Keep a batch, each of its lines once.

        Args:
            content: What was sent, in JSON.

        Returns:
            The number up to which the device may forget its lines.

        Raises:
            ValueError: If it is no batch.
            DataError: If the journal is damaged.
            OSError: If the disk is full; nothing was taken then.
        """
        batch = checked(Batch, parse_json(content))
        source = f"{batch.device}/{batch.queue}"
        self._journal.receive(source, batch.lines, batch.dropped, batch.doubted)
        return {"last": batch.lines[-1][0] if batch.lines else 0}


class _Server(ThreadingHTTPServer):
    def __init__(self, collector: Collector, host: str, port: int):
        super().__init__((host, port), _Handler)
        self.collector = collector
        self.free = threading.BoundedSemaphore(_CALLERS)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over a device that went away: it sends again what was not acknowledged."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Timed(io.RawIOBase):
    """What a connection brings until a moment has come, however slowly it drips."""

    def __init__(self, connection: socket.socket):
        self._connection = connection
        self.begin()

    def begin(self) -> None:
        """Let it take so many seconds from now on."""
        self._end = time.monotonic() + SECONDS

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def setup(self) -> None:
        super().setup()
        self._timed = _Timed(self.connection)
        self.rfile = io.BufferedReader(self._timed)

    def do_POST(self) -> None:
        with self.server.free:
            status, told = self._answer()
        content = json.dumps(told).encode()
        self.connection.settimeout(SECONDS)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Connection", "close")
        self.close_connection = True
        self.end_headers()
        self.wfile.write(content)

    def _answer(self) -> tuple[int, dict[str, Any]]:
        size = self.headers.get("Content-Length", "")
        if self.path != PATH:
            return 404, {"error": f"there is {PATH} alone"}
        if not self.server.collector.lets_in(self.headers.get("Authorization", "")):
            return 401, {"error": "show the token: Authorization: Bearer …"}
        if not size.isdecimal() or len(size) > 9:
            return 411, {"error": "say how long it is: Content-Length"}
        if int(size) > LARGEST:
            return 413, {"error": f"send {LARGEST:,} bytes at most, in several batches"}
        try:
            return 200, self.server.collector.take(self._read(int(size)))
        except (TimeoutError, EOFError):
            return 408, {"error": "it ended too soon, or came too slowly"}
        except (OSError, KerasRecipesError) as error:
            warn(f"A batch could not be kept; its device sends it again. {first_line(error)}")
            return 503, {"error": "it cannot be kept now; send it again later"}
        except ValueError as error:
            return 400, {"error": first_line(error)}

    def _read(self, size: int) -> bytes:
        """Read all of a body."""
        self._timed.begin()
        found = self.rfile.read(size)
        if len(found) < size:
            raise EOFError
        return found

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of each call."""
