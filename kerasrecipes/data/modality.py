"""What a kind of data can do away from training: be scanned, and turned into a model's input."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from kerasrecipes.data.examples import Examples
from kerasrecipes.data.specs import ModelInput
from kerasrecipes.errors import DataError


class Modality(ABC):
    """One kind of data: a folder of the package, whose `modality.py` holds one as `MODALITY`."""

    name: ClassVar[str]
    # What people call one and several of it.
    noun: ClassVar[tuple[str, str]]
    # Whether examples differ in length: the model's input has a free side then.
    free_length: ClassVar[bool] = False
    # Whether NaN in an input stands for a value that is missing.
    has_gaps: ClassVar[bool] = False
    # What stands behind shorter examples in a batch.
    padding: ClassVar[float] = 0
    # What a `str` is that somebody wants an answer to: a path, or the example itself.
    written: ClassVar[bool] = False
    # What follows from the input inside a model, by the names of its layers, and is an input of a
    # `.tflite` file, too, for clients that give it.
    derived: ClassVar[tuple[str, ...]] = ()
    # How weights are stored where nobody says.
    quantization: ClassVar[str] = "float32"
    # What a `.tflite` file can do besides.
    signatures: ClassVar[tuple[str, ...]] = ()
    # Ways to store weights that cannot be had, and why.
    refused: ClassVar[Mapping[str, str]] = {}

    @abstractmethod
    def scan(self, source: str | Path, spec: ModelInput, **columns: Any) -> Examples:
        """Find examples for a finished model, to be prepared as in its training.

        Args:
            source: A folder or a table.
            spec: What the model takes.
            **columns: What the columns of a table are, by the names of this kind of data.

        Raises:
            DataError: If they cannot be scanned.
        """

    @abstractmethod
    def prepared(self, examples: Examples, spec: ModelInput) -> Examples:
        """Return examples that were scanned otherwise, to be prepared as in training.

        Args:
            examples: What was scanned.
            spec: What the model takes.
        """

    @abstractmethod
    def decode(
        self, source: bytes | str | Path, spec: ModelInput, name: str | None = None
    ) -> np.ndarray:
        """Turn one example into an input, as in training.

        Args:
            source: A file, or its bytes.
            spec: What the model takes.
            name: What to call bytes in messages.

        Returns:
            An array of `spec.shape` and `spec.dtype`.

        Raises:
            DataError: If it cannot be read.
        """

    @abstractmethod
    def preparation(self, told: Mapping[str, Any]) -> object:
        """Return a preparation as it is written down, as one that can be compared and printed.

        Args:
            told: `ModelInput.preparation`; what it leaves out is as usual.

        Raises:
            DataError: If it says what this version does not know.
        """

    def fault(self, inputs: np.ndarray, spec: ModelInput) -> str:
        """Say why a model cannot be asked about inputs of its shape and type; empty where it can.

        Args:
            inputs: What somebody gives, `(n, *spec.shape)`.
            spec: What the model takes.
        """
        return ""

    def of_parts(self, parts: tuple[Any, ...]) -> str:
        """Write what has several parts, e.g. a pair of texts, as one example.

        Args:
            parts: The parts.

        Raises:
            DataError: If an example of this kind has no such parts.
        """
        raise DataError(f"The model reads {self.noun[1]}, and this is a tuple.")

    def in_graph(self, spec: ModelInput) -> Any:
        """Return what decodes files in operators of TensorFlow, for servers.

        Args:
            spec: What the model takes.

        Returns:
            A function from a vector of files to a batch of inputs, whose method `trials` returns
            files to try it on; `None` where there is none.
        """
        return None

    def measure(self, example: np.ndarray) -> dict[str, float]:
        """Measure what changes with the source of the data, without a model.

        Args:
            example: One example as a model takes it.

        Returns:
            Name to number, the same names for all examples; empty where nothing is known.
        """
        return {}

    def vocabulary(self, spec: ModelInput) -> tuple[str, ...]:
        """Return the words that clients of MediaPipe look inputs up in, in the order of their ids.

        Args:
            spec: What the model takes.

        Returns:
            They; none where such clients cannot make its input.
        """
        return ()

    def picture(self, example: np.ndarray) -> bytes:
        """Return an example as a PNG file, for pages that people read; empty where none can be.

        Args:
            example: One example as a model takes it.
        """
        return b""

    @abstractmethod
    def find(self, folder: Path, preparation: object) -> Iterator[Path]:
        """Yield the examples in a folder and its subfolders, sorted, without following links.

        Args:
            folder: The folder.
            preparation: What a model makes of them, as `preparation` returns it, where it decides
                which files are meant; `None` for what no model is asked about.
        """


def get_modality(name: str) -> Modality:
    """Return a kind of data by name, as a bundle or a file says it.

    Args:
        name: E.g. `"photos"`.

    Raises:
        DataError: If this version has no such kind of data.

    Example:
        >>> get_modality("photos").noun
        ('photo', 'photos')
    """
    module = f"kerasrecipes.{name}.modality"
    if (
        not name.isidentifier()
        or find_spec(f"kerasrecipes.{name}") is None
        or not find_spec(module)
    ):
        raise DataError(
            f"The model takes {name!r}, a kind of data that this version of kerasrecipes does not "
            "know. Upgrade kerasrecipes."
        )
    return import_module(module).MODALITY
