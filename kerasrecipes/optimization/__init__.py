"""Smaller and faster models: fewer channels, fewer weights, fewer values, a good teacher."""

from typing import TYPE_CHECKING

from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes.optimization.bundle_optimization import (
        OptimizedBundle as OptimizedBundle,
        optimize_bundle as optimize_bundle,
    )
    from kerasrecipes.optimization.channels.pruning import (
        PrunedChannels as PrunedChannels,
        prune_channels as prune_channels,
    )
    from kerasrecipes.optimization.clustering import cluster_weights as cluster_weights
    from kerasrecipes.optimization.distilling import distil as distil
    from kerasrecipes.optimization.pruning import cluster as cluster, prune as prune
    from kerasrecipes.optimization.quantization_aware import (
        make_quantization_aware as make_quantization_aware,
    )
    from kerasrecipes.optimization.quantization_report import (
        LayerPrecision as LayerPrecision,
        QuantizationReport as QuantizationReport,
    )
    from kerasrecipes.optimization.quantized_model import (
        QuantizedModel as QuantizedModel,
    )
    from kerasrecipes.optimization.quantizing import quantize as quantize
    from kerasrecipes.optimization.search.optimizing import optimize as optimize
    from kerasrecipes.optimization.search.result import OptimizationResult as OptimizationResult
    from kerasrecipes.optimization.sensitivity import measure_sensitivity as measure_sensitivity
    from kerasrecipes.optimization.weight_report import (
        WeightReport as WeightReport,
        report_weights as report_weights,
    )

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "bundle_optimization": "OptimizedBundle optimize_bundle",
        "channels.pruning": "PrunedChannels prune_channels",
        "clustering": "cluster_weights",
        "distilling": "distil",
        "pruning": "cluster prune",
        "quantization_aware": "make_quantization_aware",
        "quantization_report": "LayerPrecision QuantizationReport",
        "quantized_model": "QuantizedModel",
        "quantizing": "quantize",
        "search.optimizing": "optimize",
        "search.result": "OptimizationResult",
        "sensitivity": "measure_sensitivity",
        "weight_report": "WeightReport report_weights",
    },
)
