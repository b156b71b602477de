"""What one export format is: what it needs, how it is written, loaded and inspected."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from kerasrecipes.bundles.contract import Contract
    from kerasrecipes.data.specs import OutputSpec


class LoadedModel(Protocol):
    """An exported file that is ready to answer, also when several threads call it at once.

    Args:
        shape: Shape of one example as it takes it, e.g. `(224, 224, 3)`; `None` where it is free.
        dtype: Type of its numbers, e.g. `"uint8"`.
        outputs: Name of each output to how many numbers an answer has.
    """

    shape: tuple[int | None, ...]
    dtype: str
    outputs: Mapping[str, int]

    def __call__(self, inputs: np.ndarray) -> Mapping[str, np.ndarray]:
        """Map examples `(n, *shape)` to the answers by name, float32 `(n, width)` each."""


def ask(model: LoadedModel, inputs: Iterable[np.ndarray], output: "OutputSpec") -> np.ndarray:
    """Ask a file about examples one by one.

    Args:
        model: The opened file.
        inputs: One example at a time, of its shape and dtype.
        output: Which of its answers.

    Returns:
        The answers, float32, shape `(n, width)`.

    Raises:
        DataError: If an input does not fit, or the file does not run.
    """
    rows = [model(one[None])[output.name] for one in inputs]
    return np.concatenate(rows) if rows else np.zeros((0, output.width), np.float32)


def ask_all(model: LoadedModel, inputs: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
    """Ask a file about examples one by one, and return all of its answers by name.

    Args:
        model: The opened file.
        inputs: One example at a time, of its shape and dtype; at least one.

    Raises:
        DataError: If an input does not fit, or the file does not run.
    """
    rows = [model(one[None]) for one in inputs]
    return {name: np.concatenate([row[name] for row in rows]) for name in model.outputs}


@dataclass(frozen=True)
class GraphFacts:
    """What an exported file contains, found without running it.

    Args:
        ops: How often each operator occurs, most frequent first.
        custom_ops: Names of operators that a plain runtime lacks (Flex and custom ones).
        constant_bytes: Bytes of weights and other constants.
        kernels: Number of operators that carry weights (convolutions, dense layers).
        int8_kernels: How many of those compute in 8 bits.
        multiply_adds: Multiply-adds of the weight-carrying operators, each run once.
        int8_multiply_adds: How many of those are done in 8 bits.
        empty_weights: Number of weights that the graph reads and nothing provides.
    """

    ops: dict[str, int]
    custom_ops: tuple[str, ...] = ()
    constant_bytes: int = 0
    kernels: int = 0
    int8_kernels: int = 0
    multiply_adds: int = 0
    int8_multiply_adds: int = 0
    empty_weights: int = 0

    @property
    def int8_fraction(self) -> float:
        """Share of the weight-carrying operators that compute in 8 bits, 0…1."""
        return self.int8_kernels / self.kernels if self.kernels else 0.0

    @property
    def int8_work_fraction(self) -> float:
        """Share of the multiply-adds that are done in 8 bits, 0…1."""
        return self.int8_multiply_adds / self.multiply_adds if self.multiply_adds else 0.0


@dataclass(frozen=True)
class ExportFormat:
    """One way to write a trained model for another runtime.

    Args:
        name: As users type it, e.g. `"tflite"`.
        suffix: With the dot, of the file, or of the folder if that is what it writes.
        quantizations: Legal values of `quantization`; the first is the default.
        summary: One line for listings.
        write: `write(model, path, *, contract, quantization, calibration)`; writes the file or
            raises and leaves nothing behind. The answers in it have the names that the `Contract`
            gives them.
        load: `load(path, threads=1) -> LoadedModel`, without tensorflow unless it runs the files.
        inspect: `inspect(path) -> GraphFacts`, without tensorflow unless it runs the files.
        read_contract: `read_contract(path) -> Contract`, what the file says of itself, without
            tensorflow.
        options: Further arguments that `write` takes, and `export_model` passes on.
        sets_threads: Whether `load` can be told a number of threads; tensorflow has one pool
            for the whole process.
        runtime: The module that runs the files, e.g. `"onnxruntime"`. What it needs for itself
            is not counted as a file's memory.
        check_content: `check_content(content, model, quantization)` raises if the bytes of a file
            that was written before are not the model's, or not quantized so; `None` if the format
            takes none.
        profile: `profile(path, threads=1, runs=50)`, the `OperatorTime` of each kind of kernel;
            `None` if the runtime cannot tell.
    """

    name: str
    suffix: str
    quantizations: tuple[str, ...]
    summary: str
    write: Callable[..., object] = field(repr=False)
    load: Callable[..., LoadedModel] = field(repr=False)
    inspect: Callable[..., GraphFacts] = field(repr=False)
    read_contract: "Callable[..., Contract]" = field(repr=False)
    options: tuple[str, ...] = ()
    sets_threads: bool = True
    runtime: str = ""
    check_content: Callable[..., None] | None = field(default=None, repr=False)
    profile: Callable[..., tuple] | None = field(default=None, repr=False)
