"""A request that is not answered, and why."""

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.responses import JSONResponse

# What was not read of a refused request must not be taken for the next one.
CLOSE = {"Connection": "close"}


class Refused(Exception):
    """What a client did that cannot be answered, in words for whoever wrote the client.

    Args:
        status: The status of the answer.
        reason: What is wrong, what was received, what to do.
        headers: More headers of the answer.
    """

    def __init__(self, status: HTTPStatus, reason: str, headers: dict[str, str] | None = None):
        super().__init__(reason)
        self.status, self.headers = status, headers or {}

    def response(self, **more: Any) -> "JSONResponse":
        """Return the answer.

        Args:
            **more: What else to say.
        """
        from starlette.responses import JSONResponse

        told = {"error": str(self), **more}
        return JSONResponse(told, status_code=self.status, headers=self.headers)


def bad(reason: str) -> Refused:
    """Return the refusal of a request that is not as it must be."""
    return Refused(HTTPStatus.BAD_REQUEST, reason)


def overloaded(reason: str) -> Refused:
    """Return the refusal of a request that may be sent again."""
    headers = {"Retry-After": "1", **CLOSE}
    return Refused(HTTPStatus.SERVICE_UNAVAILABLE, f"{reason} Send it again later.", headers)
