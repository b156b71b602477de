"""What of a file is quantized, what is not, and why: read from the file that was written."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from kerasrecipes.statistics.shown import Part, Shown
from kerasrecipes.statistics.tables import Table

if TYPE_CHECKING:
    from kerasrecipes.export.tflite.layers import StoredLayer
    from kerasrecipes.quantization.range_outliers import RangeOutlier
    from kerasrecipes.quantization.sensitivity_report import QuantizationSensitivity

# Why a layer has float weights.
FIRST_LAYERS = "first layers: small, and what follows inherits their rounding"
HEAD = "head: small, and its rounding would go straight into the scores"
KEPT = "as `keep_float` asks"
FEW_WEIGHTS = "too few weights to be worth it"
NOT_SUPPORTED = "no such operator in the runtime"
BY_MODE = "the mode leaves weights in float"
SMALL = 1024
SHOWN = 4
WEIGHT_BITS = {"int4": 4, "int8": 8, "int16": 16, "float16": 16, "float32": 32}
# Arithmetic on values that are rounded as they come, layer by layer.
DYNAMIC = "dynamic int8"


@dataclass(frozen=True)
class LayerPrecision:
    """How one layer of a file computes.

    Args:
        name: The layer's name.
        weights: How its weights are stored, e.g. `"int8"`.
        arithmetic: `"int8"`, `"dynamic int8"` (inputs are rounded as they come), `"float32"`.
        parameters: Number of its weights.
        multiply_adds: Its arithmetic for one photo.
        reason: Why its weights are in float, one of this module's constants; `""` where they
            are not.
    """

    name: str
    weights: str
    arithmetic: str
    parameters: int
    multiply_adds: int
    reason: str = ""


@dataclass(frozen=True)
class QuantizationReport(Shown):
    """What of a file is quantized; print it.

    Args:
        mode: How the file was asked to be quantized, e.g. `"int8"`.
        layers: The layers with weights, in the order in which they compute.
        size_bytes: Size of the file.
        sensitivity: What the layers that stay in float were chosen by, if they were.
        outliers: Values whose range a few of them stretch, as calibration found them.
    """

    mode: str
    layers: tuple[LayerPrecision, ...]
    size_bytes: int
    sensitivity: "QuantizationSensitivity | None" = None
    outliers: "tuple[RangeOutlier, ...]" = ()

    @classmethod
    def of_file(
        cls,
        content: bytes,
        mode: str,
        *,
        kept: Collection[str] = (),
        sensitivity: "QuantizationSensitivity | None" = None,
        outliers: "tuple[RangeOutlier, ...]" = (),
    ) -> "QuantizationReport":
        """Read a `.tflite` file.

        Args:
            content: The bytes of the file.
            mode: How it was asked to be quantized.
            kept: Names of the layers that were to stay in float besides the small ends.
            sensitivity: What they were chosen by.
            outliers: What calibration found besides.
        """
        from kerasrecipes.export.tflite.layers import read_layers

        stored = read_layers(content)
        rounded = [i for i, layer in enumerate(stored) if layer.weights.startswith("int")]
        layers = tuple(
            LayerPrecision(
                name=layer.name,
                weights=layer.weights,
                arithmetic=_arithmetic(layer),
                parameters=layer.parameters,
                multiply_adds=layer.multiply_adds,
                reason=KEPT if layer.name in kept else _reason(layer, i, rounded),
            )
            for i, layer in enumerate(stored)
        )
        return cls(mode, layers, len(content), sensitivity, outliers)

    def parameter_fractions(self) -> dict[str, float]:
        """Return the share of the weights that is stored in each precision, largest first."""
        return self._fractions("weights", "parameters")

    def work_fractions(self) -> dict[str, float]:
        """Return the share of the multiply-adds that is done in each arithmetic."""
        return self._fractions("arithmetic", "multiply_adds")

    def _fractions(self, kind: str, counted: str) -> dict[str, float]:
        found: Counter[str] = Counter()
        for layer in self.layers:
            found[getattr(layer, kind)] += getattr(layer, counted)
        total = max(found.total(), 1)
        return {name: count / total for name, count in found.most_common()}

    @property
    def is_quantized(self) -> bool:
        """Whether most weights take 8 bits or fewer."""
        return self._share_within(8) > 0.5

    def _share_within(self, bits: int) -> float:
        fractions = self.parameter_fractions().items()
        return sum(share for name, share in fractions if WEIGHT_BITS.get(name, 32) <= bits)

    @property
    def _state(self) -> str:
        if self.is_quantized:
            return "quantized"
        if self._share_within(16) > 0.5:
            return "weights in 16 bits"
        others = replace(self, layers=tuple(x for x in self.layers if x.reason != KEPT))
        return "quantized but for `keep_float`" if others.is_quantized else "NOT quantized"

    def to_dict(self) -> dict[str, Any]:
        """Return the report as data for JSON."""
        return asdict(self)

    def parts(self) -> Iterator[Part]:
        """Yield how far the file is quantized, and why no further."""
        size, count = self.size_bytes / 1e6, len(self.layers)
        yield f"{self.mode}: {self._state}, {size:.2f} MB, {count} layers with weights"
        rows = (
            ("  weights", _told(self.parameter_fractions())),
            ("  arithmetic", _told(self.work_fractions())),
        )
        yield Table("", ("", ""), rows)
        yield from self._limits()

    def _limits(self) -> Iterator[str]:
        reasons: dict[str, list[str]] = {}
        for layer in self.layers:
            if layer.reason:
                reasons.setdefault(layer.reason, []).append(layer.name)
        if reasons:
            yield "  in float:"
        for reason, names in reasons.items():
            more = f" and {len(names) - SHOWN} more" if names[SHOWN:] else ""
            shown = ", ".join(names[:SHOWN]) + more
            yield f"    {shown} ({reason})"
        if self.sensitivity is not None and KEPT not in reasons:
            yield "  no sensitive layer is small enough for `keep_float`"
        if self.outliers:
            yield "  a few values stretch ranges, which makes the others coarse:"
            yield from (f"    {outlier}" for outlier in self.outliers[:SHOWN])
        if len(self.outliers) > SHOWN:
            yield f"    and {len(self.outliers) - SHOWN} more"


def _told(fractions: dict[str, float]) -> str:
    return ", ".join(f"{share:.2%} {name}" for name, share in fractions.items())


def _arithmetic(layer: "StoredLayer") -> str:
    """Say how a layer computes: in integers if its values come as such, or are made such."""
    if layer.inputs in {"int8", "int16"} and layer.outputs in {"int8", "int16"}:
        return layer.inputs
    return DYNAMIC if layer.rounds_inputs else "float32"


def _reason(layer: "StoredLayer", position: int, rounded: list[int]) -> str:
    if layer.weights.startswith("int"):
        return ""
    if not rounded or layer.weights == "float16":
        return BY_MODE
    if layer.inputs == "float32" and layer.parameters < SMALL and position > rounded[0]:
        return FEW_WEIGHTS
    if position < rounded[0]:
        return FIRST_LAYERS
    return HEAD if position > rounded[-1] else NOT_SUPPORTED
