"""The two pages for people: one file each, in which nothing else can run."""

import secrets
from functools import cache
from importlib.resources import files

from starlette.responses import Response


def page_response(name: str) -> Response:
    """Return a page.

    Args:
        name: The file in this folder.
    """
    nonce = secrets.token_urlsafe(16)
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
        "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    text = _text(name).replace("NONCE", nonce)
    headers = {"Content-Security-Policy": policy}
    return Response(text, media_type="text/html", headers=headers)


@cache
def _text(name: str) -> str:
    page, style = (files("kerasrecipes.server.web").joinpath(n) for n in (name, "style.css"))
    return page.read_text("utf-8").replace("/* STYLE */", style.read_text("utf-8"))
