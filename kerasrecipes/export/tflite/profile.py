"""Where the time goes inside a `.tflite` file, by the profiler of LiteRT itself.

The Python interface of LiteRT has no profiler, its C library has. Its functions are called in a
process of their own, because a newer library with other arguments may crash it.
"""

import ctypes
import json
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path

from kerasrecipes.errors import DataError
from kerasrecipes.export.child import measure_alone

_WARM_UP = 5
# Single runs that another process got in the way of are left out of the means.
_USUAL = 0.9
_CPU = 1  # kLiteRtHwAcceleratorCpu
_TYPES = {"Input": 3, "Output": 1}  # uint8 and float32, as in TFLite's own numbering
# Events of operators: of the interpreter's own, and of those that XNNPACK took over.
_OPERATOR_EVENTS = {2, 8}
_HANDLE = ctypes.c_void_p
_Call = Callable[..., None]


@dataclass(frozen=True)
class OperatorTime:
    """What the operators of one kind cost in one run.

    Args:
        name: The kernel that the runtime chose, e.g. `"Convolution (NHWC, QC8) IGEMM"`.
        count: How many there are.
        ms: Milliseconds that all of them take for one photo, mean over the faster nine tenths
            of the runs. The profiler counts whole microseconds, so tiny ones show as 0.
    """

    name: str
    count: int
    ms: float


def profile_file(path: str | Path, threads: int = 1, runs: int = 50) -> tuple[OperatorTime, ...]:
    """Time every operator of a `.tflite` file.

    Args:
        path: The file. Check its digest first.
        threads: Number of CPU threads.
        runs: Number of profiled runs, after warm-up.

    Returns:
        One entry per kind of kernel, slowest first.

    Raises:
        VerificationError: If the installed LiteRT has no such profiler.
    """
    rows = measure_alone(
        __name__,
        "report_profile",
        *(threads, runs, path),
        failing="cannot be profiled by the installed ai-edge-litert",
        remedy="Leave the profile out, or install ai-edge-litert 2.3",
    )
    return tuple(OperatorTime(**row) for row in rows)


def report_profile() -> None:
    """Profile the file named on the command line, and print the rows for the parent."""
    threads, runs, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    samples: dict[tuple[str, int], list[int]] = defaultdict(list)
    with _compiled(Path(path).read_bytes(), threads) as (call, model, run):
        profiler = _HANDLE()
        call("LiteRtCompiledModelGetProfiler", model, ctypes.byref(profiler))
        if not profiler:
            raise DataError("this LiteRT does not profile")
        for _ in range(_WARM_UP):
            run()
        call("LiteRtStartProfiler", profiler)
        for _ in range(runs):
            run()
        call("LiteRtStopProfiler", profiler)
        for event in _events(call, profiler):
            if event.kind in _OPERATOR_EVENTS:
                key = (event.tag.decode(errors="replace"), event.metadata[0])
                samples[key].append(event.elapsed_us)
    print("\n" + json.dumps([asdict(row) for row in _sum_up(samples, runs)]))


def _sum_up(samples: dict[tuple[str, int], list[int]], runs: int) -> list[OperatorTime]:
    times: dict[str, float] = defaultdict(float)
    counts: Counter[str] = Counter()
    for (name, _), found in samples.items():
        usual = sorted(found)[: math.ceil(_USUAL * len(found))]
        number = len(found) / runs
        times[name] += number * sum(usual) / len(usual) / 1000
        counts[name] += round(number)
    return [
        OperatorTime(name, counts[name], ms)
        for name, ms in sorted(times.items(), key=lambda row: -row[1])
    ]


class _Layout(ctypes.Structure):
    _fields_ = (
        ("rank", ctypes.c_uint32),
        ("dimensions", ctypes.c_int32 * 8),
        ("strides", ctypes.c_uint32 * 8),
    )


class _TensorType(ctypes.Structure):
    _fields_ = (("element", ctypes.c_int), ("layout", _Layout))


class _Event(ctypes.Structure):
    _fields_ = (
        ("tag", ctypes.c_char_p),
        ("kind", ctypes.c_int),
        ("start_us", ctypes.c_uint64),
        ("elapsed_us", ctypes.c_uint64),
        ("memory", ctypes.c_size_t * 6),
        ("metadata", ctypes.c_uint64 * 2),
        ("source", ctypes.c_int),
    )


def _library() -> _Call:
    library = ctypes.CDLL(str(files("ai_edge_litert") / "libLiteRt.so"))

    def call(name: str, *arguments: object) -> None:
        if status := getattr(library, name)(*arguments):
            raise DataError(f"{name} of this LiteRT answers with error {status}")

    return call


@contextmanager
def _compiled(content: bytes, threads: int) -> Iterator[tuple[_Call, _HANDLE, Callable[[], None]]]:
    """Give the library, the compiled model, and a function that runs it on an empty photo."""
    call = _library()
    environment, model, compiled = _HANDLE(), _HANDLE(), _HANDLE()
    call("LiteRtCreateEnvironment", ctypes.c_int(0), None, ctypes.byref(environment))
    held = ctypes.create_string_buffer(content, len(content))
    size = ctypes.c_size_t(len(content))
    call("LiteRtCreateModelFromBuffer", environment, held, size, ctypes.byref(model))
    options, kept = _options(call, threads)
    call("LiteRtCreateCompiledModel", environment, model, options, ctypes.byref(compiled))
    arguments: list[object] = []
    for kind in _TYPES:
        buffers = (_HANDLE * 1)(_buffer(call, environment, compiled, kind))
        arguments += [ctypes.c_size_t(1), buffers]
    run = lambda: call("LiteRtRunCompiledModel", compiled, ctypes.c_size_t(0), *arguments)  # noqa: E731
    yield call, compiled, run
    del held, kept  # they had to live as long as the model


def _options(call: _Call, threads: int) -> tuple[_HANDLE, list[object]]:
    options = _HANDLE()
    kept: list[object] = []
    call("LiteRtCreateOptions", ctypes.byref(options))
    call("LiteRtSetOptionsHardwareAccelerators", options, ctypes.c_int(_CPU))
    release = ctypes.CFUNCTYPE(None, _HANDLE)(lambda payload: None)
    for name, text in (
        (b"runtime_options_string", b"enable_profiling = true\n"),
        (b"xnnpack", b"num_threads = %d\n" % threads),
    ):
        entry, payload = _HANDLE(), ctypes.create_string_buffer(text)
        call(
            "LiteRtCreateOpaqueOptions",
            ctypes.c_char_p(name),
            payload,
            release,
            ctypes.byref(entry),
        )
        call("LiteRtAddOpaqueOptions", options, entry)
        kept += [release, payload]
    return options, kept


def _buffer(call: _Call, environment: _HANDLE, compiled: _HANDLE, kind: str) -> _HANDLE:
    """Make a buffer for the only input or the only output."""
    first, layout = ctypes.c_size_t(0), _Layout()
    requirements, buffer = _HANDLE(), _HANDLE()
    found = ctypes.byref(layout)
    if kind == "Input":
        call("LiteRtGetCompiledModelInputTensorLayout", compiled, first, first, found)
    else:
        one, update = ctypes.c_size_t(1), ctypes.c_bool(False)
        call("LiteRtGetCompiledModelOutputTensorLayouts", compiled, first, one, found, update)
    wanted = _TensorType(_TYPES[kind], layout)
    get = f"LiteRtGetCompiledModel{kind}BufferRequirements"
    call(get, compiled, first, first, ctypes.byref(requirements))
    create = "LiteRtCreateManagedTensorBufferFromRequirements"
    call(create, environment, ctypes.byref(wanted), requirements, ctypes.byref(buffer))
    return buffer


def _events(call: _Call, profiler: _HANDLE) -> "ctypes.Array[_Event]":
    number = ctypes.c_int()
    call("LiteRtGetNumProfilerEvents", profiler, ctypes.byref(number))
    events = (_Event * number.value)()
    call("LiteRtGetProfilerEvents", profiler, number, events)
    return events
