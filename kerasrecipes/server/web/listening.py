"""The settings of uvicorn."""

from collections.abc import Callable

import uvicorn

from kerasrecipes.server.service import Service
from kerasrecipes.server.web.app import App
from kerasrecipes.server.web.connection import DrainingServer, protocol_with

_IDLE_SECONDS = 15


def server_for(service: Service, on_ready: Callable[[], None]) -> DrainingServer:
    """Return what takes connections and hands on requests.

    Args:
        service: What answers.
        on_ready: Called once it takes connections.
    """
    settings = service.settings
    config = uvicorn.Config(
        App(service),
        http=protocol_with(settings.header_seconds, settings.body_seconds),
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=settings.connections,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=int(settings.total_seconds),
    )
    return DrainingServer(config, settings.drain_seconds, on_ready, service.drain)
