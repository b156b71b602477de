"""Opening kernels for a low-rank change, where Keras has one and it is worth having."""

import math
import re
from typing import TYPE_CHECKING

from kerasrecipes.errors import listed

if TYPE_CHECKING:
    import keras

    from kerasrecipes.surgery.adapters import LowRank


def enable_low_rank(
    parts: list[tuple[str, "keras.Layer"]], adapter: "LowRank", seed: int
) -> tuple[list[str], dict[str, int]]:
    """Enable low-rank weights in layers, and let nothing else of them train.

    Args:
        parts: The backbone's innermost layers, frozen, with their names.
        adapter: Which of them, and how.
        seed: Seed of the initial weights.

    Returns:
        The names of what was adapted, and how many matching layers were left alone, by reason.

    Raises:
        ValueError: If nothing was adapted.
    """
    import keras

    adapted: list[str] = []
    left_alone: dict[str, int] = {}
    for name, part in parts:
        reason = _reason_against(part, adapter.rank)
        if reason == "" or not re.search(adapter.match, name):
            continue
        if reason:
            left_alone[reason] = left_alone.get(reason, 0) + 1
            continue
        initializer = keras.initializers.HeUniform(seed=seed + len(adapted))
        part.enable_lora(adapter.rank, lora_alpha=adapter.alpha, a_initializer=initializer)
        # On the weights, not on the layer, which would open the kernel again.
        part.lora_kernel_a.trainable = part.lora_kernel_b.trainable = True
        adapted.append(name)
    if not adapted:
        raise _nothing_adapted(parts, adapter, left_alone)
    return adapted, left_alone


def _reason_against(part: "keras.Layer", rank: int) -> str | None:
    """Say why a layer cannot be adapted: `None` if it can, `""` if it has no kernel."""
    if not any(len(weight.shape) > 1 for weight in part.weights):
        return ""
    if not (hasattr(part, "enable_lora") and hasattr(part, "kernel")):
        return f"{type(part).__name__} has no low-rank form"
    if part.kernel_constraint:
        return "its kernel is constrained"
    *inputs, outputs = part.kernel.shape
    if rank * (math.prod(inputs) + outputs) >= math.prod(inputs) * outputs:
        return f"its kernel is no larger than a change of rank {rank}"
    return None


def _nothing_adapted(
    parts: list[tuple[str, "keras.Layer"]], adapter: "LowRank", left_alone: dict[str, int]
) -> ValueError:
    able = [name for name, part in parts if _reason_against(part, adapter.rank) is None]
    if left_alone:
        why = "; ".join(f"{count} left alone: {reason}" for reason, count in left_alone.items())
    else:
        why = f"no layer with a kernel has `match={adapter.match!r}` in its name"
    hint = f"Layers that can be: {listed(able)}." if able else "Lower `rank`, or choose BitFit."
    return ValueError(f"LowRank finds nothing to adapt: {why}. {hint}")
