"""What every epoch measured, as lines of JSON."""

import json
import math
from pathlib import Path
from typing import Any

import keras

from kerasrecipes.arguments import named
from kerasrecipes.callbacks.base import numbers_in
from kerasrecipes.callbacks.learning_rates.rates import largest_rate
from kerasrecipes.errors import printable
from kerasrecipes.files import told_plainly, write_whole
from kerasrecipes.regular import append_whole, read_regular


@named
class MetricsLog(keras.callbacks.Callback):
    """Add one line of JSON per epoch to a file, which programs can follow while training runs.

    A line has the epoch, counted from 1, the learning rate (with one optimizer per block, the
    largest), and the logs; a value that is not finite is `null`. Several fits may share a file.

    Args:
        path: The file, e.g. `"runs/tiles/metrics.jsonl"`; its folder must exist.
        **labels: What else each line should say, e.g. `stage="head"`.

    Raises:
        ValueError: If `path` is a folder, or, while training, if its folder does not exist.

    Example:
        >>> MetricsLog("metrics.jsonl", stage="head").labels
        {'stage': 'head'}
    """

    def __init__(self, path: str | Path, **labels: str):
        super().__init__()
        self.path = Path(path)
        if self.path.is_dir():
            raise ValueError(
                f"`path` must be a file, and '{printable(path)}' is a folder. Pass a file in it, "
                f"e.g. '{printable(self.path / 'metrics.jsonl')}'."
            )
        self.labels = labels

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if not self.path.parent.is_dir():
            raise ValueError(
                f"The folder of `path`, '{printable(self.path.parent)}', does not exist. Make it, "
                "or pass another file."
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        values = {**numbers_in(logs), **largest_rate(self.model)}
        plain = {name: _finite(value) for name, value in values.items()}
        line = json.dumps({**self.labels, "epoch": epoch + 1, **plain}, allow_nan=False)
        with told_plainly(self.path):
            append_whole(self.path, line + "\n")

    def get_state(self) -> dict:
        """Return the lines so far; what is no text in them is escaped."""
        if not self.path.exists():
            return {"text": ""}
        return {"text": read_regular(self.path).decode("utf-8", "backslashreplace")}

    def lines(self) -> list[str]:
        """Return the lines so far."""
        return self.get_state()["text"].splitlines()

    def set_state(self, state: dict) -> None:
        """Write the lines anew, without those of epochs that were lost.

        Args:
            state: What `get_state` returned.
        """
        write_whole(self.path, state["text"].encode())


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
