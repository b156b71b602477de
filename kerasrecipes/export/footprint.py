"""What loading and running an exported file costs a process that does nothing else."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.data.shapes import stand_in
from kerasrecipes.export.child import measure_alone

if TYPE_CHECKING:
    from kerasrecipes.export.format import LoadedModel

_RUNS = 3


@dataclass(frozen=True)
class Footprint:
    """Time and memory of one exported file, beyond what its runtime needs for itself.

    Args:
        load_ms: Milliseconds until the file is ready to answer, the median of three times;
            measured in this process if a new one cannot import what loads the format.
        memory_bytes: Peak memory of loading and running it, above the same process without
            it; `None` then, and where the system does not tell.
    """

    load_ms: float
    memory_bytes: int | None


def measure_footprint(path: str | Path, format_name: str) -> Footprint:
    """Load and run an exported file in a new process that has only the runtime in it.

    Check the digest of the file first.

    Args:
        path: The file.
        format_name: One of `kerasrecipes.list_formats()`.

    Returns:
        What it cost.

    Raises:
        VerificationError: If the process fails, which the file would do elsewhere, too.
    """
    from kerasrecipes.export import get_format

    chosen = get_format(format_name)
    place = _place(chosen.load)
    if place is None:
        return Footprint(_load_ms(chosen.load, path), None)
    found = measure_alone(__name__, "report_footprint", place, chosen.runtime, path)
    return Footprint(**found)


def _place(load: Callable) -> str | None:
    """Return `module:name` for a new process to import, `None` where it could not."""
    module, name = getattr(load, "__module__", None), getattr(load, "__qualname__", None)
    if not module or not name or module == "__main__" or "<" in name:
        return None
    top = module.partition(".")[0]
    # Not `importlib.util.find_spec`, which believes what is imported already.
    if not any(finder.find_spec(top, None) for finder in sys.meta_path):
        return None
    return f"{module}:{name}"


def report_footprint() -> None:
    """Measure the file named on the command line, and print the numbers for the parent."""
    place, runtime, path = sys.argv[1:]
    load = resolve_name(place)
    if runtime:
        import_module(runtime)
    before, after = _restarted_peak(), None

    def run(model: "LoadedModel") -> None:
        nonlocal after
        one = stand_in(model.shape, model.dtype)[None]
        for _ in range(_RUNS):
            model(one)
        after = _memory("VmHWM")

    load_ms = _load_ms(load, path, run)
    used = None if before is None or after is None else max(0, after - before)
    print("\n" + json.dumps({"load_ms": load_ms, "memory_bytes": used}))


def _load_ms(
    load: Callable[..., "LoadedModel"],
    path: str | Path,
    first: Callable[["LoadedModel"], None] = lambda model: None,
) -> float:
    """Load a file several times, and do something with the first of them; return the median."""
    found = []
    for i in range(_RUNS):
        begin = time.perf_counter()
        model = load(path)
        found.append(1000 * (time.perf_counter() - begin))
        if not i:
            first(model)
    return float(np.median(found))


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
