"""The mathematics of rounding: ranges, folding, corrections and sensitivity."""

from typing import TYPE_CHECKING

from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes.quantization.activation_ranges import measure_ranges as measure_ranges
    from kerasrecipes.quantization.batch_norm_folding import fold_batch_norm as fold_batch_norm
    from kerasrecipes.quantization.bias_correction import correct_biases as correct_biases
    from kerasrecipes.quantization.fake_quantization import (
        ActivationRange as ActivationRange,
        QuantizedConv2D as QuantizedConv2D,
        QuantizedDense as QuantizedDense,
        QuantizedDepthwiseConv2D as QuantizedDepthwiseConv2D,
        SummedAveragePooling2D as SummedAveragePooling2D,
        is_quantization_aware as is_quantization_aware,
    )
    from kerasrecipes.quantization.plan import (
        QuantizationPlan as QuantizationPlan,
        plan_quantization as plan_quantization,
    )
    from kerasrecipes.quantization.range_outliers import (
        RangeOutlier as RangeOutlier,
        find_range_outliers as find_range_outliers,
    )
    from kerasrecipes.quantization.sensitivity import layer_sensitivity as layer_sensitivity
    from kerasrecipes.quantization.sensitivity_report import (
        LayerSensitivity as LayerSensitivity,
        QuantizationSensitivity as QuantizationSensitivity,
    )

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "activation_ranges": "measure_ranges",
        "batch_norm_folding": "fold_batch_norm",
        "bias_correction": "correct_biases",
        "fake_quantization": "ActivationRange QuantizedConv2D QuantizedDense "
        "QuantizedDepthwiseConv2D SummedAveragePooling2D is_quantization_aware",
        "plan": "QuantizationPlan plan_quantization",
        "range_outliers": "RangeOutlier find_range_outliers",
        "sensitivity": "layer_sensitivity",
        "sensitivity_report": "LayerSensitivity QuantizationSensitivity",
    },
)
