"""Signals, away from training: scanned for a finished model, and read as in its training."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from kerasrecipes.data.examples import Examples
from kerasrecipes.data.modality import Modality
from kerasrecipes.data.specs import ModelInput
from kerasrecipes.errors import DataError, listed, printable
from kerasrecipes.signals.layout import Layout, same_rate
from kerasrecipes.signals.recording import (
    Recording,
    is_recording,
    parse_recording,
    read_recording,
)
from kerasrecipes.signals.scan import scan_signals
from kerasrecipes.signals.signal_set import SignalSet

# tests/benchmarks/signals_in_8_bits.py
_NO_INT8 = (
    "the converter ends the process on the loops of recurrent networks, and of the others 15 to 48 "
    "% of 370 recordings kept their class, since it also rounds how many steps there are. With "
    "convolutions and dense layers alone in 8 bits all kept it, in files no smaller or "
    "faster than 'dynamic', which stores the weights in 8 bits"
)


class Signals(Modality):
    """Signals of any length, as values; NaN is what is missing. The preparation is `Layout`."""

    name: ClassVar[str] = "signals"
    noun: ClassVar[tuple[str, str]] = ("signal", "signals")
    free_length: ClassVar[bool] = True
    has_gaps: ClassVar[bool] = True
    padding: ClassVar[float] = float("nan")
    signatures: ClassVar[tuple[str, ...]] = ("step",)
    refused: ClassVar[Mapping[str, str]] = {
        "int8": _NO_INT8,
        "int4": "nothing was measured with 4 bits yet. Use 'dynamic'",
    }

    def scan(self, source: str | Path, spec: ModelInput, **columns: Any) -> SignalSet:
        """Scan recordings as for the training; see `scan_signals`, also for `columns`."""
        layout = Layout.from_dict(spec.preparation)
        asked = {"channels": _named(layout), "window": layout.window, "stride": layout.stride}
        found = scan_signals(source, for_training=False, **{**asked, **columns})
        return self.prepared(found, spec)

    def prepared(self, examples: Examples, spec: ModelInput) -> SignalSet:
        """Return the signals, after making sure that they are like those of the training."""
        if not isinstance(examples, SignalSet):
            noun = examples.noun[1]
            raise DataError(f"The model reads signals, and these are {noun}. Scan recordings.")
        check_layout(examples.layout, Layout.from_dict(spec.preparation))
        return examples

    def decode(
        self, source: bytes | str | Path, spec: ModelInput, name: str | None = None
    ) -> np.ndarray:
        """Turn a recording, a file or its bytes, into values, float32 `(steps, channels)`."""
        called = printable(name or ("the recording" if isinstance(source, bytes) else source))
        try:
            found = (
                parse_recording(source, Path(name or ""))
                if isinstance(source, bytes)
                else read_recording(Path(source))
            )
            return _as_trained(found, Layout.from_dict(spec.preparation))
        except DataError as error:
            raise DataError(f"'{called}' {str(error).removesuffix('.')}.") from None

    def preparation(self, told: Mapping[str, Any]) -> Layout:
        """Return how recordings become inputs."""
        return Layout.from_dict(told)

    def measure(self, example: np.ndarray) -> dict[str, float]:
        """Measure level, spread, missing values and length, over all channels."""
        known = example[~np.isnan(example)]
        steps = np.flatnonzero(~np.isnan(example).all(axis=1))
        length = int(steps[-1]) + 1 if len(steps) else 0
        inside = example[:length]
        return {
            "mean": float(known.mean()) if len(known) else 0.0,
            "deviation": float(known.std()) if len(known) else 0.0,
            "missing": float(np.isnan(inside).mean()) if length else 1.0,
            "steps": float(length),
        }

    def find(self, folder: Path, preparation: object) -> Iterator[Path]:
        """Yield the recordings in a folder and its subfolders."""
        for parent, folders, files in os.walk(folder, followlinks=False):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                path = Path(parent, name)
                if is_recording(name) and path.is_file() and not path.is_symlink():
                    yield path


def check_layout(found: Layout, trained: Layout) -> None:
    """Refuse signals of other channels, or of another rate, than a model learned from.

    Args:
        found: Those of the signals.
        trained: Those of the model.

    Raises:
        DataError: If they differ.
    """
    if len(found.channels) != len(trained.channels) or (
        _named(found) and _named(trained) and found.channels != trained.channels
    ):
        raise DataError(
            f"The model reads the channels {listed(trained.channels, 8)}, and these signals have "
            f"{listed(found.channels, 8)}. Scan them with channels=…, in this order."
        )
    if not same_rate(found.rate, trained.rate):
        raise DataError(
            f"The model learned from {trained.rate:g} steps per second, and these signals have "
            f"{found.rate:g}. Resample them."
        )


def _named(layout: Layout) -> tuple[str, ...] | None:
    """Return the names of the channels; `None` if they are but numbers."""
    numbers = tuple(map(str, range(len(layout.channels))))
    return None if layout.channels == numbers else layout.channels


def _as_trained(found: Recording, trained: Layout) -> np.ndarray:
    """Return the channels that a model learned from, in its order."""
    values = found.values
    if found.channels is not None and (wanted := _named(trained)):
        if missing := [name for name in wanted if name not in found.channels]:
            raise DataError(f"has no channel {listed(missing)}; it has {listed(found.channels, 8)}")
        values = values[:, [found.channels.index(name) for name in wanted]]
    if values.shape[1] != len(trained.channels):
        raise DataError(
            f"has {values.shape[1]} channels, and the model reads {len(trained.channels)}"
        )
    if not same_rate(found.rate, trained.rate):
        raise DataError(
            f"has {found.rate:g} steps per second, and the model learned from {trained.rate:g}: "
            "resample it"
        )
    return values


MODALITY = Signals()
