"""Tensors in requests and answers of the Open Inference Protocol, version 2: JSON and binary.

Reference:
    https://github.com/kserve/open-inference-protocol, and its binary tensor data extension.
"""

import json
import math
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerasrecipes.errors import listed
from kerasrecipes.records import parse_json
from kerasrecipes.server.refused import bad

HEADER_LENGTH = "Inference-Header-Content-Length"
TYPES = {
    "BOOL": "bool", "UINT8": "uint8", "UINT16": "uint16", "UINT32": "uint32", "UINT64": "uint64",
    "INT8": "int8", "INT16": "int16", "INT32": "int32", "INT64": "int64",
    "FP16": "float16", "FP32": "float32", "FP64": "float64",
}  # fmt: skip
NAMES = {dtype: name for name, dtype in TYPES.items()}
MOST_SIDES, LONGEST_ID = 8, 200


@dataclass(frozen=True)
class Asked:
    """A request to compute.

    Args:
        id: What the client calls it; `None` without.
        inputs: Arrays by name; NaN, `null` in JSON, is what is missing.
        outputs: Which outputs it wants, each with whether as binary; empty for all.
        binary: Whether outputs are binary where the client does not say.
    """

    id: str | None
    inputs: dict[str, np.ndarray]
    outputs: dict[str, bool | None] = field(default_factory=dict)
    binary: bool = False


def parse_request(body: bytes, header_length: str | None) -> Asked:
    """Read the body of an inference request.

    Args:
        body: The body.
        header_length: The header that says how much of it is JSON; `None` for all.

    Raises:
        Refused: If anything in it is not as it must be.
    """
    size = len(body)
    if header_length is not None:
        if not re.fullmatch("[0-9]{1,12}", header_length) or int(header_length) > len(body):
            raise bad(f"{HEADER_LENGTH} must be a number of bytes, at most those of the body.")
        size = int(header_length)
    try:
        told = parse_json(body[:size])
    except ValueError as error:
        raise bad(f"The request cannot be read: {error}.") from None
    if not isinstance(told, dict) or not isinstance(told.get("inputs"), list):
        raise bad("The request must be an object with a list 'inputs'.")
    identity = told.get("id")
    if identity is not None and not (isinstance(identity, str) and len(identity) <= LONGEST_ID):
        raise bad(f"'id' must be a text of at most {LONGEST_ID} signs.")
    left = memoryview(body)[size:]
    inputs: dict[str, np.ndarray] = {}
    for one in told["inputs"]:
        name = _text(one, "name", "an input")
        if name in inputs:
            raise bad(f"The input {name[:100]!r} is there twice.")
        inputs[name], left = _tensor(name, one, left)
    if len(left):
        raise bad(f"{len(left):,} bytes follow that are no input's. Correct 'binary_data_size'.")
    wanted = _outputs(told.get("outputs"))
    return Asked(identity, inputs, wanted, _parameters(told).get("binary_data_output") is True)


def _outputs(told: Any) -> dict[str, bool | None]:
    if told is None:
        return {}
    if not isinstance(told, list):
        raise bad("'outputs' must be a list.")
    found: dict[str, bool | None] = {}
    for one in told:
        binary = _parameters(one).get("binary_data")
        found[_text(one, "name", "an output")] = binary if isinstance(binary, bool) else None
    return found


def _text(one: Any, key: str, what: str) -> str:
    found = one.get(key) if isinstance(one, dict) else None
    if not isinstance(found, str):
        raise bad(f"{what.capitalize()} must be an object with a text {key!r}.")
    return found


def _parameters(one: Any) -> dict[str, Any]:
    found = one.get("parameters", {}) if isinstance(one, dict) else {}
    if not isinstance(found, dict):
        raise bad("'parameters' must be an object.")
    return found


def _tensor(name: str, one: dict[str, Any], left: memoryview) -> tuple[np.ndarray, memoryview]:
    """Return one input, and what follows of the binary part."""
    called, shape = f"The input {name[:100]!r}", one.get("shape")
    kind = _text(one, "datatype", called)
    if kind not in TYPES:
        raise bad(f"{called} has the datatype {kind[:40]!r}; known are {listed(TYPES, 20)}.")
    sides = shape if isinstance(shape, list) else []
    whole = all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 2**31 for n in sides)
    if not sides or not whole or len(sides) > MOST_SIDES:
        raise bad(f"{called} must have a 'shape' of 1 to {MOST_SIDES} whole numbers.")
    count, dtype = math.prod(sides), np.dtype(TYPES[kind]).newbyteorder("<")
    binary = _parameters(one).get("binary_data_size")
    if binary is not None:
        needed = count * dtype.itemsize
        if type(binary) is not int or binary != needed or needed > len(left):
            raise bad(f"{called} of shape {sides} needs {needed:,} binary bytes.")
        values = np.frombuffer(left[:needed], dtype)
        left = left[needed:]
    else:
        values = _from_json(called, one.get("data"), kind, count)
    if values.dtype.kind == "f" and np.isinf(values).any():
        raise bad(f"{called} holds infinity.")
    return values.reshape(sides).astype(TYPES[kind], copy=False), left


def _from_json(called: str, data: Any, kind: str, count: int) -> np.ndarray:
    if not isinstance(data, list):
        raise bad(f"{called} has neither a list 'data' nor 'binary_data_size'.")
    try:
        found = np.array(data)
    except (ValueError, OverflowError):  # lists of different lengths
        found = np.array(None)
    dtype = np.dtype(TYPES[kind])
    if found.dtype == object and dtype.kind == "f" and all(map(_is_number, found.flat)):
        found = found.astype(float)  # what is missing is NaN
    fits = "b" if dtype.kind == "b" else "iuf" if dtype.kind == "f" else "iu"
    if found.size != count or (count and found.dtype.kind not in fits):
        raise bad(f"{called} must have {count:,} numbers of the datatype {kind} as its 'data'.")
    if dtype.kind in "iu" and count:
        limits = np.iinfo(dtype)
        if int(found.min()) < limits.min or int(found.max()) > limits.max:
            raise bad(f"{called} has numbers beyond {limits.min} to {limits.max}, those of {kind}.")
    with np.errstate(over="ignore"):
        return found.reshape(-1).astype(dtype)


def _is_number(found: Any) -> bool:
    return found is None or type(found) in (int, float)


def write_answer(
    name: str, version: str, asked: Asked, answers: dict[str, np.ndarray]
) -> tuple[bytes, dict[str, str]]:
    """Write an answer as the client wants it.

    Args:
        name: The model.
        version: Its version.
        asked: The request.
        answers: All outputs by name.

    Returns:
        The body, and its headers.

    Raises:
        Refused: If it wants an output that is not there.
    """
    if unknown := asked.outputs.keys() - answers.keys():
        raise bad(f"There is no output {listed(unknown)}; there are {listed(answers)}.")
    told, binary = [], []
    for output in asked.outputs or answers:
        found, wants = answers[output], asked.outputs.get(output)
        one: dict[str, Any] = {
            "name": output, "datatype": NAMES[found.dtype.name], "shape": list(found.shape),
        }  # fmt: skip
        if asked.binary if wants is None else wants:
            binary.append(found.tobytes())
            one["parameters"] = {"binary_data_size": len(binary[-1])}
        elif not np.isfinite(found).all():  # JSON has no word for them
            raise bad(f"The model answers with NaN or infinity in {output!r}. Give other values.")
        else:
            one["data"] = found.reshape(-1).tolist()
        told.append(one)
    head = {"model_name": name, "model_version": version, "outputs": told}
    if asked.id is not None:
        head["id"] = asked.id
    text = json.dumps(head, allow_nan=False).encode()
    if not binary:
        return text, {"Content-Type": "application/json"}
    headers = {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(text))}
    return b"".join((text, *binary)), headers
