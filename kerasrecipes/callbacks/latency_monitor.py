"""What a model takes for one example on a device, known before hours are spent on training it."""

import time
from typing import Any

import keras
import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.callbacks.base import Resumable
from kerasrecipes.console import say
from kerasrecipes.errors import first_line
from kerasrecipes.keras_private import functional_of, has_graph

_WARM_UP = 5


@named
class LatencyMonitor(Resumable, keras.callbacks.Callback):
    """Time the model as a `.tflite` file before the first step, and refuse one that is too slow.

    How long a network takes hangs on its layers, not on what its weights are: the float32 file of
    an untrained model is as fast as that of the trained one. It is converted and timed once, on
    this machine, and each epoch's logs hold `latency_ms`, the median. A file in 8 bits is often
    faster; `benchmark_bundle` measures every file that was exported.

    Args:
        limit_ms: Refuse to train a model whose median is above it; `None` to know it only.
        threads: How many threads of the CPU run it.
        runs: How often it is timed, one example each, ≥ 10.

    Raises:
        ValueError: If an argument is out of range, or, before the first step, the model is slower
            than `limit_ms`, or cannot be converted.

    Example:
        >>> LatencyMonitor(limit_ms=20).summary()["words"]
        'Nothing was timed yet.'
    """

    STATE = ("milliseconds",)

    def __init__(self, limit_ms: float | None = None, *, threads: int = 1, runs: int = 30):
        super().__init__()
        if limit_ms is not None and not 0 < limit_ms < np.inf:
            raise ValueError(f"`limit_ms` must be above 0, or None, not {limit_ms!r}.")
        if threads < 1:
            raise ValueError(f"`threads` must be at least 1, not {threads!r}.")
        if runs < 10:
            raise ValueError(f"`runs` must be at least 10, not {runs!r}.")
        self.limit_ms, self.threads, self.runs = limit_ms, threads, runs
        self.milliseconds: list[float] = []
        self._whole: Any = None
        self._timed: Any = None

    @property
    def median_ms(self) -> float | None:
        """The median of the runs; `None` before the first fit."""
        return float(np.median(self.milliseconds)) if self.milliseconds else None

    def follow_model(self, model: "keras.Model") -> None:
        """Take the whole model of a recipe's fit, whose stages may train a part of it.

        Args:
            model: The model that will be exported.
        """
        self._whole = model

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        model = self._whole or self.model
        known = model is self._timed  # from the stage before
        if not known:
            self.milliseconds, self._timed = self._time(model), model
        median = float(np.median(self.milliseconds))
        if self.limit_ms is not None and median > self.limit_ms:
            raise ValueError(
                f"The model takes {median:.3g} ms for one example, more than `limit_ms`="
                f"{self.limit_ms:g}, before any training. Take smaller inputs or another backbone, "
                "or raise the limit if the file will be in 8 bits."
            )
        if not known:
            say(self.summary()["words"])

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            logs["latency_ms"] = self.median_ms

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._whole = None

    def summary(self) -> dict:
        """Return the median and the 95th percentile in milliseconds, and words."""
        if not self.milliseconds:
            return {"median_ms": None, "p95_ms": None, "words": "Nothing was timed yet."}
        p95 = float(np.percentile(self.milliseconds, 95))
        threads = "one thread" if self.threads == 1 else f"{self.threads} threads"
        words = (
            f"As a float32 .tflite file the model takes {self.median_ms:.3g} ms for one example "
            f"({p95:.3g} ms p95) on {threads} of this machine."
        )
        return {"median_ms": self.median_ms, "p95_ms": p95, "words": words}

    def _time(self, model: "keras.Model") -> list[float]:
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_content=_converted(model), num_threads=self.threads)
        _fill(interpreter)
        times = []
        for _ in range(_WARM_UP + self.runs):
            started = time.perf_counter()
            interpreter.invoke()
            times.append(1e3 * (time.perf_counter() - started))
        return times[_WARM_UP:]


def _converted(model: "keras.Model") -> bytes:
    from kerasrecipes.surgery.converting.converter import tflite_converter

    if keras.backend.backend() != "tensorflow" or not has_graph(functional_of(model)):
        raise ValueError(
            "LatencyMonitor needs a functional or sequential model and the backend tensorflow, to "
            "make a .tflite file of it. Leave the callback out."
        )
    try:
        with tflite_converter(model, examples=1) as converter:
            return bytes(converter.convert())
    except Exception as error:
        raise ValueError(
            "LatencyMonitor cannot time the model, since it cannot be made a .tflite file of: "
            f"{type(error).__name__}: {first_line(error)}. Leave the callback out."
        ) from error


def _fill(interpreter: Any) -> None:
    """Give each input an example without meaning; a free side gets a usual length."""
    from kerasrecipes.data.shapes import stand_in

    inputs = interpreter.get_input_details()
    examples = [
        stand_in([None if side == -1 else int(side) for side in one["shape_signature"][1:]],
                 np.dtype(one["dtype"]).name)[None]
        for one in inputs
    ]  # fmt: skip
    for one, example in zip(inputs, examples, strict=True):
        interpreter.resize_tensor_input(one["index"], example.shape)
    interpreter.allocate_tensors()
    for one, example in zip(inputs, examples, strict=True):
        interpreter.set_tensor(one["index"], example)
