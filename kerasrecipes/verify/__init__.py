"""Is the exported file the same model, and how fast is it? Without tensorflow."""

from kerasrecipes.verify.benchmark import Benchmark
from kerasrecipes.verify.benchmarking import benchmark_bundle
from kerasrecipes.verify.checking import verify_bundle, verify_export
from kerasrecipes.verify.latency import Latency, benchmark_export
from kerasrecipes.verify.tolerance import Tolerance
from kerasrecipes.verify.verification import Verification

__all__ = [
    "Benchmark",
    "Latency",
    "Tolerance",
    "Verification",
    "benchmark_bundle",
    "benchmark_export",
    "verify_bundle",
    "verify_export",
]
