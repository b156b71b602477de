"""Choosing which channels of a model stay, by their scores and by what they cost."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.optimization.channels.groups import ChannelGroup, ChannelMap
from kerasrecipes.optimization.channels.scores import Scores
from kerasrecipes.surgery.multiply_adds import check_countable, count_by_layer

if TYPE_CHECKING:
    import keras


class ChannelChoice:
    """All ways to let the channels of lowest rank go.

    Args:
        channels: The channels of the model.
        groups: Those of its groups that may shrink.
        scores: Their scores.
        allocation: `"uniform"`, `"global"` or `"by_cost"`.
        cost: The multiply-adds of the model.
        min_channels: No group gets smaller than that.
        multiple_of: What is left of a group is a multiple of it.
    """

    def __init__(
        self,
        channels: ChannelMap,
        groups: list[ChannelGroup],
        scores: Scores,
        allocation: str,
        cost: "MultiplyAdds",
        min_channels: int,
        multiple_of: int,
    ):
        self.channels = channels
        self.groups = groups
        self.cost = cost
        self.ranks = dict(rank_channels(groups, scores, allocation, cost))
        self.min_channels = min_channels
        self.multiple_of = multiple_of

    def keep_above(self, threshold: float) -> np.ndarray:
        """Say which channels stay if those ranked below a threshold, 0…1, go.

        Returns:
            bool, shape `(channels.count,)`.
        """
        keep = np.ones(self.channels.count, bool)
        for group in self.groups:
            ranks = self.ranks[group.name]
            leaving = len(group) - self._staying(ranks, threshold)
            keep[group.channels[np.argsort(ranks)[:leaving]]] = False
        return keep

    def keep_within(self, share: float) -> np.ndarray:
        """Say which channels stay if as many as possible shall, by bisection.

        Args:
            share: Fraction of the multiply-adds that may be left.

        Raises:
            ValueError: If more are left whatever goes, or some cannot be counted.
        """
        check_countable(self.cost.model, self.cost.counts, self.cost.unknown)
        thresholds = np.unique(np.concatenate([*self.ranks.values(), [1.0]]))
        low, high = 0, len(thresholds) - 1
        if (least := self._left(1.0)) > share:
            raise ValueError(
                f"`max_multiply_adds={share}` cannot be reached: {least:.1%} of the "
                "arithmetic is left at least. Lower `min_channels`, pass residual=True, or "
                "choose a smaller backbone."
            )
        while low < high:
            middle = (low + high) // 2
            if self._left(thresholds[middle]) <= share:
                high = middle
            else:
                low = middle + 1
        return self.keep_above(thresholds[low])

    def _left(self, threshold: float) -> float:
        return self.cost.of(self.keep_above(threshold)) / self.cost.whole

    def _staying(self, ranks: np.ndarray, threshold: float) -> int:
        size, stay = len(ranks), int((ranks >= threshold).sum())
        if stay == size:
            return size
        rounded = int(stay / self.multiple_of + 0.5) * self.multiple_of
        return min(size, max(rounded, self.min_channels))


class MultiplyAdds:
    """The multiply-adds of a model for any choice of channels, of those that can be counted.

    Args:
        model: A flat functional model.
        channels: Its channels.
    """

    def __init__(self, model: "keras.Model", channels: ChannelMap):
        self.counts, self.unknown = count_by_layer(model)
        self.model, self.channels = model, channels
        self.producers = {name for group in channels.groups for name in group.producers}
        self.whole = sum(self.counts.values())

    def of(self, keep: np.ndarray) -> int:
        """Count what is left if only some channels, marked in `keep`, stay."""
        total = 0
        for name, count in self.counts.items():
            if name not in self.channels.layers:  # it stays as it is
                total += count
                continue
            layer = self.channels.layers[name]
            takes, gives = keep[layer.takes], keep[layer.gives]
            count = count * int(takes.sum()) // len(takes)
            if name in self.producers:  # a depthwise convolution mixes no channels
                count = count * int(gives.sum()) // len(gives)
            total += count
        return total

    def of_one(self, group: ChannelGroup) -> int:
        """Count what goes with a single channel of a group."""
        keep = np.ones(self.channels.count, bool)
        keep[group.channels[0]] = False
        return self.whole - self.of(keep)


def rank_channels(
    groups: list[ChannelGroup], scores: Scores, allocation: str, cost: MultiplyAdds
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield, for each group, when each channel goes: 0 is first, all are below 1."""
    if allocation == "uniform":
        for index, group in enumerate(groups):
            # Less than one place apart, so that groups of one size shrink in turn.
            yield group.name, (_order(scores[group.name]) + index / len(groups)) / len(group)
        return
    if allocation == "by_cost":
        # The square root keeps more than the arithmetic itself does, which takes nearly all from
        # the layers at the photo's end; see tests/benchmarks/RESULTS.md.
        scales = [math.sqrt(max(1, cost.of_one(group))) for group in groups]
    else:
        scales = [float(np.linalg.norm(scores[group.name])) or 1.0 for group in groups]
    scaled = [scores[group.name] / scale for group, scale in zip(groups, scales, strict=True)]
    order = _order(np.concatenate(scaled))
    ends = np.cumsum([len(group) for group in groups])
    for group, part in zip(groups, np.split(order, ends[:-1]), strict=True):
        yield group.name, part / len(order)


def _order(values: np.ndarray) -> np.ndarray:
    """Return the place of each value, 0 for the smallest."""
    places = np.empty(len(values))
    places[np.argsort(values, kind="stable")] = np.arange(len(values))
    return places
