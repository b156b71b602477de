"""The addresses of a server, described for programs: an OpenAPI document."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict
from starlette.routing import Route

from kerasrecipes._version import __version__
from kerasrecipes.records import schema_of
from kerasrecipes.serve.entry import Truth
from kerasrecipes.serve.predictor import Prediction
from kerasrecipes.server.web.protocol import HEADER_LENGTH, LONGEST_ID, MOST_SIDES, TYPES

_JSON, _BYTES = "application/json", "application/octet-stream"
_TEXT, _WHOLE = {"type": "string"}, {"type": "integer"}
_BINARY = {"type": "string", "format": "binary"}


def _object(needs: dict[str, Any], may: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "object", "required": sorted(needs), "properties": needs | (may or {})}


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


def _tensor(side: dict[str, Any], **may: dict[str, Any]) -> dict[str, Any]:
    shape = _list(side) | {"minItems": 1, "maxItems": MOST_SIDES}
    datatype = {"type": "string", "enum": list(TYPES)}
    return _object({"name": _TEXT, "datatype": datatype, "shape": shape}, may)


class Which(BaseModel):
    """Which models are asked for.

    Args:
        ready: Whether only those that answer.
    """

    model_config = ConfigDict(strict=True)

    ready: bool = False


_SIDE = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
_SIZE = _object({}, {"binary_data_size": {"type": "integer", "minimum": 0}})
_DATA = {"data": {"type": "array", "items": {}}, "parameters": _SIZE}
_OUTPUT = _object({"name": _TEXT}, {"parameters": _object({}, {"binary_data": {}})})
_ABOUT = {"id": _TEXT, "model": _TEXT, "version": _WHOLE, "ms": {"type": "number"}}
_SCHEMAS = {
    "Error": _object({"error": _TEXT}),
    "Asked": _object(
        {"inputs": _list(_tensor(_SIDE, **_DATA))},
        {
            "id": {"type": ["string", "null"], "maxLength": LONGEST_ID},
            "outputs": {"type": ["array", "null"], "items": _OUTPUT},
            "parameters": _object({}, {"binary_data_output": {}}),
        },
    ),
    "Answer": _object(
        {"model_name": _TEXT, "model_version": _TEXT, "outputs": _list(_tensor(_SIDE, **_DATA))},
        {"id": _TEXT},
    ),
    "Unreadable": _object(_ABOUT | {"error": _TEXT}),
    "Kept": _object({"id": _TEXT}, {"kept": {"type": "boolean"}, "counts": {"type": "boolean"}}),
    "Server": _object({"name": _TEXT, "version": _TEXT, "extensions": _list(_TEXT)}),
    "Model": _object(
        {
            "name": _TEXT, "versions": _list(_TEXT), "platform": _TEXT,
            "inputs": _list(_tensor(_WHOLE)), "outputs": _list(_tensor(_WHOLE)),
        }
    ),
    "State": _object(
        {
            "ready": {"type": "boolean"}, "draining": {"type": "boolean"},
            "models": _list({"type": "object"}), "problems": _list(_TEXT),
            "rollouts": _list({"type": "object"}), "computing": _WHOLE, "waiting": _WHOLE,
            "keys": {"type": "boolean"}, "journal": {"type": "boolean"},
        }
    ),
    "Nothing": {"type": "object"},
    "Index": _list(_object({"name": _TEXT, "state": _TEXT, "reason": _TEXT}, {"version": _TEXT})),
}  # fmt: skip


@cache
def _of_types() -> dict[str, Any]:
    """Return the schemas of what types judge; making them takes too long for the start."""
    said = dict(schema_of(Prediction)["properties"])
    del said["path"], said["error"]
    truth = {"truth": schema_of(Truth), "outcome": {"type": "number"}}
    either = {"anyOf": [{"required": [name]} for name in truth], "additionalProperties": False}
    return {
        "Prediction": _object(_ABOUT, said),
        "Feedback": _object({"id": _TEXT}, truth) | either,
        "Which": schema_of(Which),
    }


@dataclass(frozen=True)
class _Operation:
    """What one address does.

    Args:
        told: In a few words.
        gives: The answer's content types, each with the name of its schema, or none.
        takes: Those of the request.
        asks: What may stand in the query or the head: name, and where.
        refuses: Answers of its own beside those that tell an `error`.
    """

    told: str
    gives: dict[str, str | None] = field(default_factory=dict)
    takes: dict[str, str | None] = field(default_factory=dict)
    asks: tuple[tuple[str, str], ...] = ()
    refuses: dict[str, str | None] = field(default_factory=dict)


OPERATIONS = {
    "page": _Operation("A page for people.", {"text/html": None}),
    "status_page": _Operation("A page that tells how it does.", {"text/html": None}),
    "state": _Operation("What is loaded, and how it does.", {_JSON: "State"}),
    "metrics": _Operation("What is counted, for Prometheus.", {"text/plain": None}),
    "described": _Operation("This document.", {_JSON: "Nothing"}),
    "live": _Operation("Whether it runs."),
    "ready": _Operation("Whether it answers.", refuses={"503": None}),
    "server": _Operation("What the server is.", {_JSON: "Server"}),
    "model": _Operation("What a model takes and gives.", {_JSON: "Model"}),
    "model_ready": _Operation("Whether a model answers."),
    "infer": _Operation(
        "Answer tensors.",
        {_JSON: "Answer", _BYTES: None},
        {_JSON: "Asked", _BYTES: None},
        ((HEADER_LENGTH, "header"),),
    ),
    "predict": _Operation(
        "Answer a photo, its bytes, or a text, in UTF-8.",
        {_JSON: "Prediction"},
        {_BYTES: None, "text/plain": None},
        (("model", "query"), ("version", "query"), ("key", "query")),
        {"422": "Unreadable"},
    ),
    "feedback": _Operation(
        "Say what an answer should have been.", {_JSON: "Kept"}, {_JSON: "Feedback"}
    ),
    "index": _Operation("Tell which models there are.", {_JSON: "Index"}, {_JSON: "Which"}),
    "load": _Operation("Load a model, or what it lacks.", {}, {_JSON: "Nothing"}),
    "unload": _Operation("Let a model go.", {}, {_JSON: "Nothing"}),
}


def document(routes: Iterable[Route], models: Iterable[str], keys: bool) -> dict[str, Any]:
    """Describe a server in OpenAPI 3.1.

    Args:
        routes: Its addresses; the name of each is that of an operation.
        models: Names of the models that it has.
        keys: Whether requests need one.
    """
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        (method,) = (route.methods or set()) - {"HEAD"}
        paths.setdefault(route.path, {})[method.lower()] = _described(route, list(models))
    told: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "kerasrecipes", "version": __version__},
        "paths": paths,
        "components": {"schemas": _SCHEMAS | _of_types()},
    }
    if keys:
        told["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        told["security"] = [{"key": []}]
    return told


def _described(route: Route, models: list[str]) -> dict[str, Any]:
    one = OPERATIONS[route.name]
    asks: list[dict[str, Any]] = [
        {"name": name, "in": place, "schema": _TEXT} for name, place in one.asks
    ]
    for name in route.param_convertors:
        values: dict[str, Any] = {"enum": models} if name == "model" and models else {}
        asks.append({"name": name, "in": "path", "required": True, "schema": _TEXT | values})
    answers = {"200": one.gives} | {
        status: {} if schema is None else {_JSON: schema} for status, schema in one.refuses.items()
    }
    told: dict[str, Any] = {
        "operationId": "_of_".join([route.name, *list(route.param_convertors)[1:]]),
        "summary": one.told,
        "parameters": asks,
        "responses": {
            status: {"description": "", "content": _content(kinds)}
            for status, kinds in (answers | {"default": {_JSON: "Error"}}).items()
        },
    }
    if one.takes:
        told["requestBody"] = {"content": _content(one.takes)}
    return told


def _content(kinds: dict[str, str | None]) -> dict[str, Any]:
    """Return the content types with their schemas."""
    return {
        kind: {"schema": {"$ref": f"#/components/schemas/{schema}"} if schema else _BINARY}
        for kind, schema in kinds.items()
    }
