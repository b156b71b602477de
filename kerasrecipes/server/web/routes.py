"""The addresses of a server, and what each answers. No name in one ever becomes a path."""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, TypeVar, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from kerasrecipes._version import __version__
from kerasrecipes.errors import is_number
from kerasrecipes.records import checked, parse_json
from kerasrecipes.serve.entry import Truth, truth_of
from kerasrecipes.server.logbook import JournalWriter
from kerasrecipes.server.models import Served
from kerasrecipes.server.refused import CLOSE, Refused, bad
from kerasrecipes.server.service import Service
from kerasrecipes.server.trial import Turn
from kerasrecipes.server.web.bodies import body_of
from kerasrecipes.server.web.described import Which, document
from kerasrecipes.server.web.pages import page_response
from kerasrecipes.server.web.protocol import HEADER_LENGTH, NAMES, write_answer

_EXTENSIONS = ["binary_tensor_data", "model_repository"]
_SMALL = 1 << 16
T = TypeVar("T")
Answer = Callable[[Service, Request], Awaitable[Response]]


def _service(request: Request) -> Service:
    return cast(Service, request.scope["service"])


def _served(service: Service, request: Request) -> Served:
    told = request.path_params
    return service.models.find(told["model"], told.get("version"))


def _turn(
    service: Service, request: Request, name: str | None, version: str | None, key: str | None
) -> Turn:
    """Return who answers: where no version is asked for, it may be a candidate's turn."""
    served = service.models.find(name, version)
    return Turn(served) if version else service.rollouts.choose(served, request.headers, key)


def _tell_answered(request: Request, served: Served, batch: int) -> None:
    """Let whoever tells of the request know who has answered how many examples."""
    told = {"model": served.name, "version": served.version, "batch": batch}
    request.scope["answered"] = told


async def _json(service: Service, request: Request, kind: type[T]) -> T:
    """Read a small object; an empty body is an empty one."""
    settings = service.settings
    async with body_of(request, _SMALL, settings.body_seconds, service.held) as body:
        try:
            return checked(kind, parse_json(body or b"{}"))
        except ValueError as error:
            raise bad(f"The request cannot be read: {error}.") from None


async def _page(service: Service, request: Request) -> Response:
    return page_response("page.html")


async def _status_page(service: Service, request: Request) -> Response:
    return page_response("status.html")


async def _live(service: Service, request: Request) -> Response:
    return Response(status_code=200)


async def _ready(service: Service, request: Request) -> Response:
    return Response(status_code=200 if service.ready else 503)


async def _server(service: Service, request: Request) -> Response:
    told = {"name": "kerasrecipes", "version": __version__, "extensions": _EXTENSIONS}
    return JSONResponse(told)


async def _model_ready(service: Service, request: Request) -> Response:
    _served(service, request)
    return Response(status_code=200)


async def _model(service: Service, request: Request) -> Response:
    served = _served(service, request)
    takes, gives = served.predictor.input, served.predictor.model.outputs
    shape = [-1, *(-1 if side is None else side for side in takes.shape)]
    outputs = [{"name": n, "datatype": "FP32", "shape": [-1, width]} for n, width in gives.items()]
    return JSONResponse(
        {
            "name": served.name,
            "versions": [str(served.version)],
            "platform": "kerasrecipes",
            "inputs": [{"name": takes.name, "datatype": NAMES[takes.dtype], "shape": shape}],
            "outputs": outputs,
        }
    )


async def _infer(service: Service, request: Request) -> Response:
    told, settings = request.path_params, service.settings
    turn = _turn(service, request, told["model"], told.get("version"), None)
    most = int(settings.max_body_mb * 1e6)
    async with body_of(request, most, settings.body_seconds, service.held) as body:
        length = request.headers.get(HEADER_LENGTH)
        served, asked, answers = await service.infer(turn, body, length)
    _tell_answered(request, served, max(map(len, asked.inputs.values())))
    content, headers = write_answer(served.name, str(served.version), asked, answers)
    return Response(content, headers=headers)


async def _predict(service: Service, request: Request) -> Response:
    asked = request.query_params
    if unknown := set(asked) - {"model", "version", "key"}:
        known = "'model', 'version' and 'key' are"
        raise bad(f"{min(unknown)[:40]!r} is not known here; {known}.")
    # Of a text, the frame of a form would be read as a part.
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        reason = "The body is a form. Send the bytes alone, e.g. curl --data-binary @photo.jpg."
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, reason, CLOSE)
    turn = _turn(service, request, asked.get("model"), asked.get("version"), asked.get("key"))
    settings = service.settings
    most = int(settings.max_body_mb * 1e6)
    async with body_of(request, most, settings.body_seconds, service.held) as body:
        answered = await service.predict(turn, body)
    served, found = answered.served, answered.found
    _tell_answered(request, served, 1)
    told = {
        key: value
        for key, value in found.to_dict().items()
        if key != "path" and (key != "error" or value)
    }
    about = {"id": answered.request_id, "model": served.name, "version": served.version}
    if found.error:
        told = {"error": found.error}
    status = HTTPStatus.UNPROCESSABLE_ENTITY if found.error else HTTPStatus.OK
    return JSONResponse({**about, **told, "ms": round(answered.ms, 2)}, status_code=status)


async def _feedback(service: Service, request: Request) -> Response:
    told = await _json(service, request, dict[str, Any])
    if service.journal is None:
        reason = "No answers are kept. Start the server with --journal FILE."
        raise Refused(HTTPStatus.CONFLICT, reason)
    says = told.keys() - {"id"}
    if not says or says - {"truth", "outcome"} or not isinstance(told.get("id"), str):
        raise bad(
            "Send an object with 'id', from the answer, and 'truth', a class or a number, or "
            "'outcome', what a rollout is decided by, or both."
        )
    truth = _truth(told["truth"]) if "truth" in told else None
    if "outcome" in told and not is_number(told["outcome"], -math.inf, math.inf):
        raise bad("'outcome' must be a number.")
    kept = await service.lane.run(lambda: _keep(service, told["id"], truth, told.get("outcome")))
    return JSONResponse({"id": told["id"], **kept})


def _keep(
    service: Service, request_id: str, truth: Truth | None, outcome: float | None
) -> dict[str, bool]:
    """Keep what was said of an answer, and return which of it was."""
    writer = cast(JournalWriter, service.journal)
    if (entry := writer.find(request_id)) is None:
        raise Refused(HTTPStatus.NOT_FOUND, f"There is no answer {request_id[:100]!r}.")
    counts = {} if outcome is None else {"counts": service.rollouts.outcome(entry, outcome)}
    return counts if truth is None else {"kept": writer.tell(request_id, truth), **counts}


def _truth(value: Any) -> Truth:
    try:
        return truth_of(json.dumps(value))
    except ValueError as error:
        raise bad(f"'truth' must be a class, a list of labels, or a number: {error}.") from None


async def _metrics(service: Service, request: Request) -> Response:
    return Response(service.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _state(service: Service, request: Request) -> Response:
    return JSONResponse(
        {
            "ready": service.ready,
            "draining": service.draining,
            "models": service.models.state(),
            "problems": [*service.models.problems(), *service.rollouts.problems()],
            "rollouts": service.rollouts.state(),
            "computing": service.lane.workers,
            "waiting": service.lane.waiting,
            "keys": service.keys is not None,
            "journal": service.journal is not None,
        }
    )


async def _described(service: Service, request: Request) -> Response:
    models = [one for one, (_, loaded, _) in service.models.loaded().items() if loaded]
    return JSONResponse(document(all_routes(), models, service.keys is not None))


async def _index(service: Service, request: Request) -> Response:
    asked = await _json(service, request, Which)
    found = service.models.index()
    return JSONResponse([o for o in found if o["state"] == "READY" or not asked.ready])


async def _load(service: Service, request: Request) -> Response:
    return await _manage(service, request, service.models.load)


async def _unload(service: Service, request: Request) -> Response:
    return await _manage(service, request, service.models.unload)


async def _manage(service: Service, request: Request, do: Callable[[str], None]) -> Response:
    if not service.settings.manage:
        reason = "Models follow their aliases here. To load them by requests, start with --manage."
        raise Refused(HTTPStatus.FORBIDDEN, reason)
    if service.keys is not None and not request.scope["client_known"].admin:
        raise Refused(HTTPStatus.FORBIDDEN, "This key may ask, and not load models.")
    await _json(service, request, dict[str, Any])
    await asyncio.to_thread(do, request.path_params["model"])
    service.tell_versions()
    return Response(status_code=200)


class _Answered:
    """An application: of a function, Starlette would look for its exceptions a second time."""

    def __init__(self, answer: Answer):
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        response = await self._answer(_service(request), request)
        await response(scope, receive, send)


def _route(path: str, answer: Answer, method: str = "GET") -> Route:
    return Route(path, _Answered(answer), methods=[method], name=answer.__name__.strip("_"))


def all_routes() -> list[Route]:
    """Return all addresses."""
    models = ("/v2/models/{model}", "/v2/models/{model}/versions/{version}")
    return [  # they are tried one after the other, so what is asked for most comes first
        *(_route(f"{model}/infer", _infer, "POST") for model in models),
        _route("/predict", _predict, "POST"),
        _route("/", _page),
        _route("/status", _status_page),
        _route("/state", _state),
        _route("/metrics", _metrics),
        _route("/openapi.json", _described),
        _route("/feedback", _feedback, "POST"),
        _route("/v2", _server),
        _route("/v2/health/live", _live),
        _route("/v2/health/ready", _ready),
        *(_route(model, _model) for model in models),
        *(_route(f"{model}/ready", _model_ready) for model in models),
        _route("/v2/repository/index", _index, "POST"),
        _route("/v2/repository/models/{model}/load", _load, "POST"),
        _route("/v2/repository/models/{model}/unload", _unload, "POST"),
    ]
