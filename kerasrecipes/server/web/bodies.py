"""Reading the body of a request: no more, and for no longer, than it may."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from starlette.requests import ClientDisconnect, Request

from kerasrecipes.server.lane import Held
from kerasrecipes.server.refused import CLOSE, Refused


@asynccontextmanager
async def body_of(request: Request, most: int, seconds: float, held: Held) -> AsyncIterator[bytes]:
    """Read a body, and hold it while the block runs.

    Args:
        request: The request.
        most: How many bytes it may have, whatever it says of itself.
        seconds: How long it may take.
        held: Counts what is held of all requests.

    Raises:
        Refused: If it is too large, too slow, or there is no room for it.
    """
    stated = request.headers.get("content-length", "0")
    if not (stated.isascii() and stated.isdigit()) or len(stated) > 15:
        raise Refused(HTTPStatus.BAD_REQUEST, "Content-Length is no number.", CLOSE)
    if int(stated) > most:
        raise _too_large(most)
    taken, parts = 0, []
    try:
        try:
            async with asyncio.timeout(seconds):
                async for part in request.stream():
                    if taken + len(part) > most:
                        raise _too_large(most)
                    held.take(len(part))
                    taken += len(part)
                    parts.append(part)
        except TimeoutError:
            reason = f"The body did not come within {seconds:g} seconds."
            raise Refused(HTTPStatus.REQUEST_TIMEOUT, reason, CLOSE) from None
        except ClientDisconnect:
            raise Refused(HTTPStatus.BAD_REQUEST, "The client went away.", CLOSE) from None
        body = b"".join(parts)
        parts.clear()
        yield body
    finally:
        held.give(taken)


def _too_large(most: int) -> Refused:
    reason = f"The request is larger than {most:,} bytes. Send less at a time."
    return Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason, CLOSE)
