"""What a reader should know about a benchmark, in plain words."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kerasrecipes.verify.benchmark import Variant

FEW_PHOTOS = 100
# Medians of runs that took turns differ by less on an idle machine.
_CLEARLY = 1.05
_WHY = {
    "int8": "Its 8-bit kernels do not pay for this model on this processor; they may on the "
    "device itself, so measure there.",
    "dynamic": "Its weights are stored in 8 bits, but every layer rounds its inputs anew, which "
    "costs convolutions more than it saves; it makes the file small, and text models fast.",
}
_OTHERWISE = "It makes the file small, but not fast, on this processor."


def find_notes(variants: Sequence["Variant"], photos: int, *, golden: bool) -> list[str]:
    """Say which exports are slower than float, and how far the numbers can be trusted.

    Args:
        variants: What was measured.
        photos: Number of photos that they were judged by.
        golden: Whether these are the golden photos of the bundle.

    Returns:
        One sentence or more per entry.
    """
    notes = [note for variant in variants for note in _slower(variant, variants)]
    formats = {variant.format for variant in variants}
    for name in sorted(formats - {v.format for v in variants if v.quantization == "float32"}):
        notes.append(
            f"There is no {name}-float32 to compare times with. Add it with: kerasrecipes export "
            f"… --format {name} --quantization float32."
        )
    if photos < FEW_PHOTOS:
        more = " Give a folder of photos that the model has not seen." if golden else ""
        notes.append(f"Only {photos} photos: read the intervals, not the numbers.{more}")
    return notes


def _slower(variant: "Variant", variants: Sequence["Variant"]) -> list[str]:
    exact = [v for v in variants if v.format == variant.format and v.quantization == "float32"]
    if not exact or variant.quantization in {"float32", "float16"}:
        return []
    threads = min(variant.latency)
    slow, fast = (v.latency[threads].median_ms for v in (variant, exact[0]))
    if slow <= _CLEARLY * fast:
        return []
    kind = "int8" if variant.int8_fraction >= 0.5 else variant.quantization
    counted = f"{threads} thread{'s' if threads > 1 else ''}"
    return [
        f"{variant.name} is slower than {exact[0].name} here: {slow:.2f} ms for {fast:.2f} ms, "
        f"{counted}. {_WHY.get(kind, _OTHERWISE)}"
    ]
