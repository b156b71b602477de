"""A page for one person on this machine, and what it asks for.

Whoever knows the token in the address may look and decide, and nobody else: other pages in the same
browser do not know it, and cannot reach this server under a name of theirs, since that would be in
`Host`. No file is opened by a name that comes from outside.
"""

import hmac
import json
import re
import secrets
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any, cast

from kerasrecipes.errors import DataError, first_line
from kerasrecipes.records import checked, parse_json
from kerasrecipes.review.session import Session

LARGEST_REQUEST = 4096
_HERE = re.compile(r"(127\.0\.0\.1|localhost)(:[0-9]{1,5})?")
_PICTURE = re.compile(r"(thumbnail|photo|heatmap)/([0-9]{1,9})")
_FOR_ALL = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class ReviewServer(ThreadingHTTPServer):
    """Serves one session, on 127.0.0.1 alone.

    `session` is to be set before it serves; the port is its own from the start.

    Args:
        port: 0 for any that is free.

    Raises:
        OSError: If the port is taken.
    """

    daemon_threads = True
    session: Session

    def __init__(self, port: int = 0):
        self.token = secrets.token_urlsafe(24)
        self.page = files("kerasrecipes.review").joinpath("page.html").read_text("utf-8")
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def address(self) -> str:
        """What to open in a browser."""
        return f"http://127.0.0.1:{self.server_port}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over a browser that went away."""


class _Refused(Exception):
    """A request that is not answered."""

    def __init__(self, status: HTTPStatus, reason: str):
        super().__init__(reason)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "kerasrecipes", ""
    timeout = 60
    disable_nagle_algorithm = True  # else a picture waits until its head is acknowledged

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal is for people."""

    @property
    def _session(self) -> Session:
        return cast(ReviewServer, self.server).session

    def _answer(self, answer: Callable[[str], None]) -> None:
        try:
            answer(self._asked())
        except _Refused as refused:
            self._refuse(refused.status, str(refused))
        except (DataError, ValueError) as error:
            self._refuse(HTTPStatus.CONFLICT, first_line(error))
        except OSError as error:
            if isinstance(error, ConnectionError | TimeoutError):
                raise
            self._refuse(HTTPStatus.INSUFFICIENT_STORAGE, first_line(error))

    def _asked(self) -> str:
        """Return what is asked for, once it is clear that the asker may.

        Raises:
            _Refused: If not.
        """
        host = self.headers.get_all("Host") or []
        if len(host) != 1 or not _HERE.fullmatch(host[0]):
            raise _Refused(HTTPStatus.MISDIRECTED_REQUEST, "Only for this machine.")
        _, _, rest = self.path.partition("/")
        token, slash, asked = rest.partition("/")
        known = cast(ReviewServer, self.server).token
        if not (hmac.compare_digest(token.encode("utf-8", "replace"), known.encode()) and slash):
            raise _Refused(HTTPStatus.FORBIDDEN, "Open the address that kerasrecipes printed.")
        return asked

    def _get(self, asked: str) -> None:
        if asked == "":
            return self._send_page()
        if asked == "state":
            return self._send_json(self._session.state())
        picture = _PICTURE.fullmatch(asked)
        pictures = self._session.pictures
        if not picture or pictures is None or int(picture[2]) >= len(self._session.examples):
            raise _Refused(HTTPStatus.NOT_FOUND, "There is nothing of this name.")
        kind, index = picture[1], int(picture[2])
        if kind == "heatmap":
            if self._session.heatmap is None:
                raise _Refused(HTTPStatus.NOT_FOUND, "This model draws no heatmaps.")
            return self._send(self._session.heatmap(index), "image/jpeg", "private, max-age=3600")
        make = getattr(pictures, kind)
        return self._send(make(index), "image/jpeg", "private, max-age=3600")

    def _post(self, asked: str) -> None:
        origin = self.headers.get("Origin")
        if origin is not None and origin != f"http://{self.headers['Host']}":
            raise _Refused(HTTPStatus.FORBIDDEN, "Only from the page itself.")
        if self.headers.get("Content-Type") != "application/json":
            raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Only JSON is read.")
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch("[0-9]{1,9}", length) or self.headers.get("Transfer-Encoding"):
            raise _Refused(HTTPStatus.LENGTH_REQUIRED, "Say how long the request is.")
        if int(length) > LARGEST_REQUEST:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large.")
        told = checked(dict[str, int | str | None], parse_json(self.rfile.read(int(length))))
        if asked == "undo":
            return self._send_json(self._session.undo())
        if asked == "decide":
            index, decision = checked(tuple[int, str], (told.get("photo"), told.get("decision")))
            label = checked(cast(type[int | None], int | None), told.get("label"))
            return self._send_json(self._session.decide(index, decision, label))
        raise _Refused(HTTPStatus.NOT_FOUND, "There is nothing of this name.")

    def _send_page(self) -> None:
        nonce = secrets.token_urlsafe(16)
        page = cast(ReviewServer, self.server).page.replace("NONCE", nonce)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
            "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        )
        self._send(page.encode(), "text/html; charset=utf-8", policy=policy)

    def _send_json(self, value: Any, status: HTTPStatus = HTTPStatus.OK) -> None:
        self._send(json.dumps(value).encode(), "application/json", status=status)

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self.close_connection = True  # what was not read of the request is not the next one
        self._send_json({"error": reason}, status)

    def _send(
        self,
        content: bytes,
        kind: str,
        caching: str = "no-store",
        policy: str = "default-src 'none'",
        status: HTTPStatus = HTTPStatus.OK,
    ) -> None:
        self.send_response(status)
        headers = {"Content-Security-Policy": policy, "Cache-Control": caching, **_FOR_ALL}
        headers |= {"Content-Type": kind, "Content-Length": str(len(content))}
        headers |= {"Connection": "close"} if self.close_connection else {}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
