"""A server from its start to its end."""

import asyncio
import gc
import socket
import sys
from functools import partial
from pathlib import Path
from typing import Any

from kerasrecipes.arguments import named
from kerasrecipes.console import say
from kerasrecipes.errors import DataError, printable, require
from kerasrecipes.server.models import Models
from kerasrecipes.server.settings import ServerSettings

# How long a thread that wants Python for a moment waits for one that has it; 5 ms unless told.
_SWITCH_SECONDS = 0.0005


@named
def serve_models(folder: str | Path, **settings: Any) -> None:
    """Serve saved models over HTTP, until a signal ends it.

    It answers the Open Inference Protocol, and photos and texts at `/predict`; see `docs/serve.md`.
    It takes no request before each model has answered its golden vectors. SIGTERM lets it say that
    it is not ready, and end what it has begun.

    Args:
        folder: `saved_models/`, or one model's folder in it.
        **settings: Of `ServerSettings`, e.g. `port=8080`.

    Raises:
        DataError: If there is no model, or none can be loaded.
        OSError: If the port is taken.
        ValueError: If a setting cannot be used.
    """
    asyncio.run(_serve(Path(folder), ServerSettings(**settings)))


async def _serve(folder: Path, settings: ServerSettings) -> None:
    listening = _listen(settings)  # before the work, since the port may be taken
    sys.setswitchinterval(_SWITCH_SECONDS)
    service = None
    try:
        models = Models(folder, settings.trust)
        load = partial(models.refresh, workers=settings.computing)
        loading = asyncio.get_running_loop().run_in_executor(None, load)
        # What speaks HTTP is imported while models compute, and not while they want to be opened:
        # Python does one thing at a time.
        models.opened.wait()
        require("uvicorn", "serve", "Serving")
        from kerasrecipes.server.service import Service
        from kerasrecipes.server.web.listening import server_for

        service = Service(models, settings)
        await loading
        await asyncio.to_thread(service.refresh)
        if not models.ready:
            raise DataError(f"Not every model can be served. {'; '.join(models.problems())}")
        service.tell_versions()
        where = f"http://{settings.host}:{listening.getsockname()[1]}"
        ready = f"Ready: {printable(where)} is the page, {printable(where)}/v2 the protocol."
        # What is there now stays; looking through it again and again holds requests up.
        gc.freeze()
        gc.enable()
        watching = asyncio.create_task(service.watch())
        await server_for(service, lambda: say(ready)).serve([listening])
        watching.cancel()
        say("Ended.")
    finally:
        listening.close()
        if service is not None:
            service.close()


def _listen(settings: ServerSettings) -> socket.socket:
    """Take the port.

    Raises:
        OSError: If it is taken; the message says what to do.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Asyncio sends small packets at once only where TCP is named. Without, the body of an answer
    # waits up to 40 ms until the client has acknowledged its head.
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((settings.host, settings.port))
    except OSError as error:
        found.close()
        what = f"{settings.host}:{settings.port} cannot be used: {error.strerror}"
        raise OSError(error.errno, f"{what}. Name another port by --port") from error
    return found
