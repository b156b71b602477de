"""The pointing game: do heatmaps point at what somebody marked?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasrecipes.statistics.clustered import clustered_share
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.shown import Part, Shown


@dataclass(frozen=True)
class PointingGame(Shown):
    """How often the strongest place of a heatmap lies on what was marked.

    Args:
        hits: The share of photos where it does, with a 95 % interval.
        chance: The share of hits of places that are drawn at random, which is the mean marked
            area.
        centre: The share of hits of the middle of each photo.
        n: Number of photos with something marked.
        by_class: The hits of each class.

    Reference:
        Zhang et al., 2018, "Top-Down Neural Attention by Excitation Backprop", section 4.1, here
        without its tolerance of 15 pixels.
    """

    hits: Estimate
    chance: float
    centre: float
    n: int
    by_class: dict[str, Estimate]

    @classmethod
    def of(
        cls,
        peaks: Sequence[tuple[float, float]],
        masks: Sequence[np.ndarray],
        labels: Sequence[str],
        units: np.ndarray,
    ) -> "PointingGame":
        """Count hits.

        Args:
            peaks: Where each heatmap is strongest, row and column as shares of height and width.
            masks: What was marked on each photo, bool `(height, width)` of any size, not empty.
            labels: The class of each photo.
            units: What each photo belongs to, e.g. its part; see `clustered_share`.
        """
        found = np.array([_marked(mask, *peak) for mask, peak in zip(masks, peaks, strict=True)])
        middle = [_marked(mask, 0.5, 0.5) for mask in masks]
        kinds = np.array(labels)
        by_class = {
            str(name): clustered_share(found[kinds == name], units[kinds == name])
            for name in dict.fromkeys(labels)
        }
        return cls(
            hits=clustered_share(found, units),
            chance=float(np.mean([mask.mean() for mask in masks])),
            centre=float(np.mean(middle)),
            n=len(masks),
            by_class=by_class,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; each estimate is `[value, low, high]`."""
        classes = {name: found.to_list() for name, found in self.by_class.items()}
        told = {"hits": self.hits.to_list(), "chance": self.chance, "centre": self.centre}
        return {**told, "n": self.n, "by_class": classes}

    def parts(self) -> Iterator[Part]:
        """Yield the hits beside chance, and those of each class."""
        yield (
            f"Pointing game on {self.n} photos with a mask: the strongest place lies on what was "
            f"marked in {self.hits.percent()}; by chance {self.chance:.0%}, and the middle of the "
            f"photo in {self.centre:.0%}."
        )
        for name, found in self.by_class.items():
            yield f"  {name}: {found.percent()}"


def _marked(mask: np.ndarray, row: float, column: float) -> bool:
    height, width = mask.shape
    return bool(mask[min(height - 1, int(row * height)), min(width - 1, int(column * width))])
