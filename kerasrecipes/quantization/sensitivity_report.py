"""The table of how much each layer changes the answers when it computes in 8 bits."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from kerasrecipes.errors import printable
from kerasrecipes.statistics.shown import Part, Shown
from kerasrecipes.statistics.tables import Table

ROWS = 12


@dataclass(frozen=True)
class LayerSensitivity:
    """What the answers change by when one layer computes in 8 bits and all others in float.

    Args:
        name: The layer's name.
        score_gap: Mean over the photos of the largest change of a probability.
        logit_error: Root mean square of the change of the scores before the softmax.
        flips: Number of photos with another top class.
        parameters: Number of its weights.
        multiply_adds: Its arithmetic for one photo.
        rounded: Whether an int8 file rounds it; the first layers and the head stay in float
            where they are small.
    """

    name: str
    score_gap: float
    logit_error: float
    flips: int
    parameters: int
    multiply_adds: int
    rounded: bool = True


@dataclass(frozen=True)
class QuantizationSensitivity(Shown):
    """How much the rounding of each layer changes the answers; print it.

    Args:
        layers: The layers with kernels, in the order in which they compute.
        together: All at once that an int8 file rounds.
        photos: Number of photos that it was measured on.
    """

    layers: tuple[LayerSensitivity, ...]
    together: LayerSensitivity
    photos: int

    @property
    def ranked(self) -> list[LayerSensitivity]:
        """The layers, most sensitive first."""
        return sorted(self.layers, key=lambda layer: -layer.logit_error)

    def most_sensitive(self, share: float) -> tuple[str, ...]:
        """Choose the layers whose rounding costs most, as far as an allowance goes.

        Only layers with more than an average part of the squared error are worth an exception.

        Args:
            share: Largest share of the weights, and of the multiply-adds, of all that are chosen.

        Returns:
            Their names, most sensitive first; none, if each is larger than allowed.
        """
        rounded = [layer for layer in self.ranked if layer.rounded]
        mean = sum(layer.logit_error**2 for layer in rounded) / max(len(rounded), 1)
        weights, work = self._totals()
        chosen: list[LayerSensitivity] = []
        for layer in rounded:
            held = [*chosen, layer]
            fits = sum(one.parameters for one in held) <= share * weights
            fits &= sum(one.multiply_adds for one in held) <= share * work
            if fits and layer.logit_error**2 > mean:
                chosen = held
        return tuple(layer.name for layer in chosen)

    def _totals(self) -> tuple[int, int]:
        counts = [(layer.parameters, layer.multiply_adds) for layer in self.layers]
        return sum(weights for weights, _ in counts), sum(work for _, work in counts)

    def to_dict(self) -> dict[str, Any]:
        """Return it as data for JSON."""
        return asdict(self)

    def parts(self) -> Iterator[Part]:
        """Yield the most sensitive layers, and all together."""
        heads = ("alone in 8 bits", "score gap", "logit error", "flips", "weights", "arithmetic")
        shown = self.ranked[:ROWS]
        rows = [self._row(layer) for layer in (*shown, self.together)]
        if more := len(self.layers) - len(shown):
            rows.insert(-1, (f"… and {more} less sensitive layers", *[""] * (len(heads) - 1)))
        yield f"What 8 bits change on {self.photos} photos, most sensitive first:"
        yield Table("", heads, tuple(rows), tuple(range(1, len(heads))), name_width=60)
        if any(not layer.rounded for layer in shown):
            yield "* stays in float in an int8 file"

    def _row(self, layer: LayerSensitivity) -> tuple[str, ...]:
        weights, work = self._totals()
        return (
            printable(layer.name) + ("" if layer.rounded else " *"),
            f"{layer.score_gap:.4f}",
            f"{layer.logit_error:.4f}",
            str(layer.flips),
            f"{layer.parameters / weights:.2%}",
            f"{layer.multiply_adds / work:.2%}",
        )
