"""What loading and running an exported file costs a process that does nothing else."""

import json
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.export.child import measure_alone

if TYPE_CHECKING:
    from kerasrecipes.export.format import ExportFormat, LoadedModel

_RUNS = 3


@dataclass(frozen=True)
class Footprint:
    """Time and memory of one exported file, beyond what its runtime needs for itself.

    Args:
        load_ms: Milliseconds until the file is ready to answer, the median of three times;
            `None` for a format that was registered in this process alone.
        memory_bytes: Peak memory of loading and running it, above the same process without
            it; `None` then, too, and where the system does not tell.
    """

    load_ms: float | None
    memory_bytes: int | None


def measure_footprint(path: str | Path, format_name: str) -> Footprint:
    """Load and run an exported file in a new process that has only the runtime in it.

    Check the digest of the file first.

    Args:
        path: The file.
        format_name: One of `kerasrecipes.list_formats()`.

    Returns:
        What it cost; nothing is known of it where a new process does not know the format.

    Raises:
        VerificationError: If the process fails, which the file would do elsewhere, too.
    """
    from kerasrecipes.export import is_of_this_process

    if is_of_this_process(format_name):
        return Footprint(None, None)
    found = measure_alone(__name__, "report_footprint", format_name, path)
    return Footprint(**found)


def report_footprint() -> None:
    """Measure the file named on the command line, and print the numbers for the parent."""
    from kerasrecipes.export import get_format

    format_name, path = sys.argv[1:]
    chosen = get_format(format_name)
    if chosen.runtime:
        import_module(chosen.runtime)
    load_ms: list[float] = []
    before = _restarted_peak()
    model = _timed_load(chosen, path, load_ms)
    one = np.full((1, *model.shape), 127, model.dtype)
    for _ in range(_RUNS):
        model(one)
    after = _memory("VmHWM")
    for _ in range(_RUNS - 1):
        _timed_load(chosen, path, load_ms)
    used = None if before is None or after is None else max(0, after - before)
    print("\n" + json.dumps({"load_ms": float(np.median(load_ms)), "memory_bytes": used}))


def _timed_load(chosen: "ExportFormat", path: str, load_ms: list[float]) -> "LoadedModel":
    begin = time.perf_counter()
    model = chosen.load(path)
    load_ms.append(1000 * (time.perf_counter() - begin))
    return model


def _restarted_peak() -> int | None:
    """Let the peak begin at what is used now, and return that; `None` if it cannot be told.

    The peak of `resource.getrusage` is no use here: a child inherits that of its parent.
    """
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return None
    return _memory("VmRSS")


def _memory(field: str) -> int | None:
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return None
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return 1024 * int(value.split()[0])
    return None
