"""What every request goes through: who asks, how long it may take, and what is written of it."""

import asyncio
import itertools
import re
import time
import traceback
import uuid
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Router
from starlette.types import Message, Receive, Scope, Send

from kerasrecipes.console import warn
from kerasrecipes.errors import DataError
from kerasrecipes.server.logbook import write_line
from kerasrecipes.server.refused import CLOSE, Refused, bad
from kerasrecipes.server.service import Service
from kerasrecipes.server.web.connection import LARGEST_HEAD
from kerasrecipes.server.web.keys import Client
from kerasrecipes.server.web.routes import all_routes

_SAFE = (
    (b"content-security-policy", b"default-src 'none'"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
# Nothing that is secret: for those who watch the server, and the pages, which ask for a key.
_OPEN = {"/", "/status", "/v2/health/live", "/v2/health/ready"}
_HERE = re.compile(r"(127\.0\.0\.1|\[::1\]|localhost)(:[0-9]{1,5})?")
_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)


class App:
    """The application that uvicorn runs.

    Args:
        service: What answers.
    """

    def __init__(self, service: Service):
        self._service = service
        self._answer = Router(all_routes(), redirect_slashes=False)
        self._ids, self._run = itertools.count(), uuid.uuid4().hex[:16]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        started, request = time.perf_counter(), Request(scope)
        given = request.headers.get("x-request-id", "")
        asked_id = given if _ID.fullmatch(given) else f"{self._run}{next(self._ids):016x}"
        scope.update(app=self, service=self._service, client_known=Client())
        seen = _Seen(send, asked_id, "expect" in request.headers)
        try:
            await self._bounded(scope, receive, seen)
        except Exception:
            told = traceback.format_exc()
            warn(f"A fault of the server, at the request {asked_id}:\n{told}")
            reason = f"A fault of the server; its log tells more of the request {asked_id}."
            fault = Refused(HTTPStatus.INTERNAL_SERVER_ERROR, reason, CLOSE)
            await self._refuse(fault, scope, receive, seen)
        finally:
            self._tell(scope, seen, time.perf_counter() - started)

    async def _bounded(self, scope: Scope, receive: Receive, seen: "_Seen") -> None:
        seconds = self._service.settings.total_seconds
        try:
            scope["client_known"] = self._known(Request(scope))
            async with asyncio.timeout(seconds):
                await self._answer(scope, receive, seen)
        except Refused as refused:
            await self._refuse(refused, scope, receive, seen)
        except DataError as error:
            await self._refuse(bad(str(error)), scope, receive, seen)
        except HTTPException as error:
            await self._refuse(_not_there(error), scope, receive, seen)
        except TimeoutError:
            reason = f"There was no answer within {seconds:g} seconds."
            late = Refused(HTTPStatus.GATEWAY_TIMEOUT, reason, CLOSE)
            await self._refuse(late, scope, receive, seen)

    async def _refuse(
        self, refused: Refused, scope: Scope, receive: Receive, seen: "_Seen"
    ) -> None:
        if not seen.status:
            await refused.response()(scope, receive, seen)

    def _known(self, request: Request) -> Client:
        """Return who asks, if they may.

        Raises:
            Refused: If not.
        """
        headers, settings = request.headers, self._service.settings
        host, origin = headers.getlist("host"), headers.get("origin")
        if sum(len(name) + len(value) for name, value in request.scope["headers"]) > LARGEST_HEAD:
            reason = f"The head of the request is larger than {LARGEST_HEAD:,} bytes."
            raise Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, reason, CLOSE)
        if len(host) != 1:
            raise Refused(HTTPStatus.BAD_REQUEST, "Send one Host.", CLOSE)
        # Under another name a page elsewhere could reach this machine by its browser.
        if settings.is_local and not _HERE.fullmatch(host[0]):
            raise Refused(HTTPStatus.MISDIRECTED_REQUEST, "Only for this machine.", CLOSE)
        if origin is not None and urlsplit(origin).netloc != host[0]:
            raise Refused(HTTPStatus.FORBIDDEN, "Other pages may not ask.", CLOSE)
        if headers.get("content-encoding", "identity") != "identity":
            reason = "Send it without Content-Encoding."
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, reason, CLOSE)
        if "upgrade" in headers:  # in pieces, so that its body was not read
            raise Refused(HTTPStatus.BAD_REQUEST, "Send it without Upgrade.", CLOSE)
        if self._service.keys is None or request.url.path in _OPEN:
            return Client()
        kind, _, key = headers.get("authorization", "").partition(" ")
        try:
            return self._service.keys.client(key.strip() if kind.lower() == "bearer" else "")
        except Refused as refused:
            refused.headers |= CLOSE
            raise

    def _tell(self, scope: Scope, seen: "_Seen", seconds: float) -> None:
        """Count a request, and write a line of it: the pattern of its address, no more."""
        route = getattr(scope.get("route"), "path", "none")
        metrics = self._service.metrics
        metrics.request(route, seen.status, seconds)
        path, client = scope.get("path_params", {}), scope.get("client")
        told = {
            "time": time.time(), "id": seen.asked_id, "method": scope["method"][:16],
            "route": route, "model": path.get("model", "")[:100], "status": seen.status,
            "ms": round(seconds * 1e3, 2), "from": client[0] if client else "",
            "key": scope["client_known"].name,
        }  # fmt: skip
        if not write_line(told):
            metrics.log_dropped.inc()
        if (tracing := self._service.tracing) is not None:
            tracing.request(Headers(scope=scope), told | scope.get("answered", {}), seconds)


class _Seen:
    """Sends an answer with the headers that all have, and remembers its status."""

    def __init__(self, send: Send, asked_id: str, expects: bool):
        self._send, self.asked_id, self.status = send, asked_id, 0
        self._expects = expects

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = message["headers"]
            named = {name for name, _ in given}
            more = (pair for pair in _SAFE if pair[0] not in named)
            message["headers"] = [*given, *more, (b"x-request-id", self.asked_id.encode())]
            # Who waits for leave to send a body need not send it now: the next request would be
            # taken for it.
            unsent = self._expects and self.status >= HTTPStatus.BAD_REQUEST
            if unsent and b"connection" not in named:
                message["headers"].append((b"connection", b"close"))
        await self._send(message)


def _not_there(error: HTTPException) -> Refused:
    status = HTTPStatus(error.status_code)
    by_other = status == HTTPStatus.METHOD_NOT_ALLOWED
    reason = "Not by this method." if by_other else "There is nothing at this address."
    return Refused(status, reason, dict(error.headers or {}))
