"""Running a `.tflite` file in LiteRT, without tensorflow."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.environment import silenced
from kerasrecipes.errors import DataError, printable
from kerasrecipes.export.checks import check_threads
from kerasrecipes.export.loaded import FileModel
from kerasrecipes.export.tflite.graph import check_header

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter

# The signature that gives features; see `kerasrecipes.export.tflite.signatures`.
_EMBED = "embed"


def _mask(tokens: np.ndarray) -> np.ndarray:
    """Tell which tokens are real, shape `(1, tokens)`."""
    return (tokens != 0).astype(tokens.dtype)


def _segments(tokens: np.ndarray) -> np.ndarray:
    """Tell which tokens are of the second text of a pair, shape `(1, tokens)`.

    The token that ends a text parts two, too, and stands nowhere else.
    """
    real = _mask(tokens)
    last = tokens[0, max(int(real.sum()) - 1, 0)]
    ends = (tokens == last) * real
    return (np.minimum(np.cumsum(ends, axis=1) - ends, 1) * real).astype(tokens.dtype)


# Inputs that follow from the first.
_DERIVED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mask": _mask,
    "segment_ids": _segments,
}
# What the converter calls an answer without a name.
_NAMELESS, _SCORES = "output_0", "scores"


class TFLiteModel(FileModel):
    """A `.tflite` file in LiteRT, to be called from any number of threads.

    An interpreter holds the values of one run. So each call has one to itself: more are opened
    when calls meet, up to one per core, and kept for later ones.

    Args:
        content: The bytes of the file.
        threads: Number of CPU threads of each call, ≥ 1.
        name: What to call the file in messages.

    Whether it gives features, too, is told by `embeds`.
    """

    batch_size = 1  # the file is built for one example at a time

    def __init__(self, content: bytes, threads: int = 1, name: str = "model.tflite"):
        check_threads(threads)
        check_header(content, name)
        self._content, self._threads, self.name = content, threads, name
        self._places_free = threading.Semaphore(os.cpu_count() or 1)
        with silenced():  # only the first one greets
            first = self._opened()
        self._idle = [first]
        inputs, self._more = _inputs(first)
        self._places = _outputs_by_name(first)
        self._order = [int(found["index"]) for found in first.get_output_details()]
        self.embeds = _EMBED in first.get_signature_list()
        outputs = [self._places[name] for name in sorted(self._places)]
        _check_interface(inputs, outputs, name)
        self._input = inputs[0]["index"]
        sides = inputs[0]["shape_signature"][1:]
        self.shape = tuple(None if size < 0 else int(size) for size in sides)
        self.dtype = inputs[0]["dtype"].__name__
        self.outputs = {name: int(found["shape"][-1]) for name, found in self._places.items()}

    def place_of(self, name: str) -> int:
        """Return which of the file's outputs has a name, from 0: their order is the converter's."""
        return self._order.index(int(self._places[name]["index"]))

    def _opened(self) -> "Interpreter":
        from ai_edge_litert.interpreter import Interpreter

        try:
            found = Interpreter(model_content=self._content, num_threads=self._threads)
            found.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise _refused(self.name, "open", error) from error
        return found

    @contextmanager
    def _one_alone(self) -> Iterator["Interpreter"]:
        """Give an interpreter that nobody else has; one that failed is not used again."""
        with self._places_free:
            try:
                found = self._idle.pop()
            except IndexError:
                found = self._opened()
            yield found
            self._idle.append(found)

    def _answer(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        with self._one_alone() as interpreter:
            try:
                self._give(interpreter, inputs)
                interpreter.invoke()
            except RuntimeError as error:
                raise _refused(self.name, "run", error) from error
            tensor = interpreter.get_tensor
            return {name: tensor(found["index"]) for name, found in self._places.items()}

    def embed(self, inputs: np.ndarray) -> np.ndarray:
        """Return what the last layer sees in examples, of a file that `embeds`.

        Args:
            inputs: Examples as the file takes them, `(n, *shape)`.

        Returns:
            Features, float32 `(n, d)`.

        Raises:
            DataError: If the inputs do not fit, or the file does not run.
        """
        rows = []
        with self._one_alone() as interpreter:
            run = interpreter.get_signature_runner(_EMBED)
            (takes,), (gives,) = run.get_input_details(), run.get_output_details()
            for one in self._checked(inputs):
                try:
                    rows.append(run(**{takes: one[None]})[gives][0])
                except RuntimeError as error:
                    raise _refused(self.name, "run", error) from error
        return np.stack(rows)

    def stepper(self) -> "Steps":
        """Return what answers step by step, with a state of its own.

        Raises:
            DataError: If the file cannot.
        """
        return Steps(self._content, self.name)

    def _give(self, interpreter: "Interpreter", inputs: np.ndarray) -> None:
        given = {self._input: inputs}
        given |= {place: _DERIVED[name](inputs) for name, place in self._more.items()}
        if None in self.shape:
            for place, values in given.items():
                interpreter.resize_tensor_input(place, values.shape)
            interpreter.allocate_tensors()
        for place, values in given.items():
            interpreter.set_tensor(place, values)


def _inputs(interpreter: "Interpreter") -> tuple[list[dict], dict[str, int]]:
    """Return the inputs that are to be given, and the places of those that follow from them."""
    inputs = interpreter.get_input_details()
    for signature in interpreter.get_signature_list() if len(inputs) > 1 else ():
        named = interpreter.get_signature_runner(signature).get_input_details()
        more = {name: int(named[name]["index"]) for name in named.keys() & _DERIVED.keys()}
        first = [found for found in inputs if int(found["index"]) not in more.values()]
        return first, more
    return inputs, {}


def _outputs_by_name(interpreter: "Interpreter") -> dict[str, dict]:
    """Return the outputs by the names that the signature of the file gives them."""
    outputs = interpreter.get_output_details()
    places = {int(found["index"]): found for found in outputs}
    for signature in interpreter.get_signature_list():
        named = interpreter.get_signature_runner(signature).get_output_details()
        found = {name: int(told["index"]) for name, told in named.items()}
        if set(found.values()) == set(places):
            break
    else:  # another tool wrote it
        found = {str(told["name"]): index for index, told in places.items()}
    # What this package called no name, when files had scores alone.
    if len(found) == 1 and (set(found) == {_NAMELESS} or not interpreter.get_signature_list()):
        found = dict(zip([_SCORES], found.values(), strict=True))
    return {name: places[index] for name, index in found.items()}


def _refused(name: str, verb: str, error: Exception) -> DataError:
    reason = printable((str(error).splitlines() or [""])[0]).rstrip(".")
    return DataError(f"LiteRT cannot {verb} '{printable(name)}': {reason}. Export the model again.")


def _check_interface(inputs: list[dict], outputs: list[dict], name: str) -> None:
    found = [(d["dtype"].__name__, tuple(int(n) for n in d["shape"])) for d in inputs + outputs]
    taken, given = found[: len(inputs)], found[len(inputs) :]
    fits = (
        len(taken) == 1
        and taken[0][1][:1] == (1,)
        and given
        and all(kind == "float32" and len(shape) == 2 for kind, shape in given)
    )
    if not fits:
        raise DataError(
            f"'{printable(name)}' is not a model as this package writes them (one input (1, …), "
            f"float32 outputs (1, width)); its inputs and outputs are {found}. Export the model "
            "with kerasrecipes."
        )


class Steps:
    """A `.tflite` file with the signatures `init` and `step`, fed step by step.

    Each has a state of its own; call it from one thread.

    Args:
        content: The bytes of the file.
        name: What to call the file in messages.

    Raises:
        DataError: If it is no readable model, or cannot answer step by step.
    """

    def __init__(self, content: bytes, name: str = "model.tflite"):
        from ai_edge_litert.interpreter import Interpreter

        check_header(content, name)
        try:
            with silenced():
                self._interpreter = Interpreter(model_content=content)
        except (ValueError, RuntimeError) as error:
            raise _refused(name, "open", error) from error
        if not {"init", "step"} <= set(self._interpreter.get_signature_list()):
            raise DataError(
                f"'{printable(name)}' cannot answer step by step. Export a causal model with "
                "signatures=('step',) (--signatures step)."
            )
        self._step = self._interpreter.get_signature_runner("step")
        self._init = self._interpreter.get_signature_runner("init")
        self.reset()
        takes = set(self._step.get_input_details()) - set(self._state)
        (self._takes,) = takes

    def reset(self) -> None:
        """Begin a new recording."""
        self._state = {name: np.array(value) for name, value in self._init().items()}

    def feed(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """Take one step, and return the answers so far.

        Args:
            values: float32, shape `(channels,)`; NaN where a value is missing.
        """
        one = np.asarray(values, np.float32).reshape(1, 1, -1)
        found = self._step(**{self._takes: one}, **self._state)
        self._state = {name: np.array(found.pop(name)) for name in self._state}
        return dict(found)
