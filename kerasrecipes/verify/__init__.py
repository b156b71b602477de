"""Is the exported file the same model, and how fast is it? Without tensorflow."""

from typing import TYPE_CHECKING

from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes.verify.benchmark import Benchmark as Benchmark
    from kerasrecipes.verify.benchmarking import benchmark_bundle as benchmark_bundle
    from kerasrecipes.verify.checking import (
        verify_bundle as verify_bundle,
        verify_export as verify_export,
    )
    from kerasrecipes.verify.latency import Latency as Latency, benchmark_export as benchmark_export
    from kerasrecipes.verify.tolerance import Tolerance as Tolerance
    from kerasrecipes.verify.verification import Verification as Verification

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "benchmark": "Benchmark",
        "benchmarking": "benchmark_bundle",
        "checking": "verify_bundle verify_export",
        "latency": "Latency benchmark_export",
        "tolerance": "Tolerance",
        "verification": "Verification",
    },
)
