"""Making a model faster by leaving out channels, which needs nothing special to run."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.errors import is_number, listed, unknown_name
from kerasrecipes.optimization.channels.choice import ChannelChoice, MultiplyAdds
from kerasrecipes.optimization.channels.groups import (
    ChannelGroup,
    ChannelMap,
    find_channel_groups,
)
from kerasrecipes.optimization.channels.scores import (
    Scores,
    check_scores,
    score_by_batch_norm,
    score_by_kernel,
)
from kerasrecipes.optimization.channels.slicing import keep_channels
from kerasrecipes.surgery.rebuilding import flattened

if TYPE_CHECKING:
    import keras

SCORES = {"batch_norm": score_by_batch_norm, "kernel": score_by_kernel}
ALLOCATIONS = ("uniform", "global", "by_cost")


@dataclass(frozen=True)
class PrunedChannels:
    """A model with fewer channels, and what was done for it.

    Args:
        model: The smaller model, not compiled.
        sizes: Channels before and after, for each group that was asked to shrink.
        left_alone: Why each other group was not.
        multiply_adds: Multiply-adds for one photo, before and after, of all that
            `count_multiply_adds` can count.
        parameters: Number of weights, before and after.
        unknown: Layers and operations of which it is not known what they do to channels, such as
            grouped convolutions: they, and all channels around them, are as they were.
    """

    model: "keras.Model"
    sizes: dict[str, tuple[int, int]]
    left_alone: dict[str, str]
    multiply_adds: tuple[int, int]
    parameters: tuple[int, int]
    unknown: tuple[str, ...] = ()

    def __str__(self) -> str:
        (before, after), (many, few) = self.multiply_adds, self.parameters
        channels, left = np.sum(list(self.sizes.values()), axis=0)
        return (
            f"{left} of {channels} channels stay in {len(self.sizes)} groups: "
            f"{after / 1e6:.4g} of {before / 1e6:.4g} million multiply-adds "
            f"({after / before:.0%}), {few} of {many} weights ({few / many:.0%}). "
            f"{len(self.left_alone)} groups were left alone."
            f"{self._as_they_were}"
        )

    @property
    def _as_they_were(self) -> str:
        if not self.unknown:
            return ""
        return (
            f" All channels around {listed(self.unknown)} stay, since it is not known what is done "
            "to them there."
        )


@named
def prune_channels(
    model: "keras.Model",
    *,
    channels: float | None = None,
    max_multiply_adds: float | None = None,
    scores: str | Scores = "kernel",
    allocation: str = "uniform",
    residual: bool = False,
    min_channels: int = 8,
    multiple_of: int = 8,
) -> PrunedChannels:
    """Leave out the channels of a model that matter least, and build what is left.

    The result is an ordinary, smaller Keras model: faster everywhere, without special
    kernels. It has lost accuracy. Call `reestimate_batch_norm` with `keep_answers=True` on the
    model before, and without it on the result, which gives each channel its old mean and
    variance back; then train on.

    Args:
        model: A functional model with a fixed image size, with its head; it stays as it is.
            Models within it are flattened. Around a layer of which it is not known what it does
            to channels, all of them stay; the result names it.
        channels: How many of the channels that may go shall go, as a fraction; or
        max_multiply_adds: how much of the arithmetic may be left, as a fraction.
        scores: `"kernel"` or `"batch_norm"`, which need no data; or the result of
            `score_by_gradient`, which knows the task and loses less; or your own for the
            groups of `find_channel_groups`. Groups without scores stay.
        allocation: `"uniform"` takes the same fraction of each group; `"global"` takes what
            scores least anywhere, each group's scores being scaled to length 1; it can ruin
            single layers. `"by_cost"` takes, from anywhere, what scores least for the
            arithmetic that it is: for the scores of `score_by_gradient`, which mean the same
            in all groups.
        residual: Whether channels that additions tie may go, too. It takes more of the
            arithmetic with fewer channels, and more of the accuracy.
        min_channels: No group gets smaller than that.
        multiple_of: What is left of a group is a multiple of it, as processors like it.

    Returns:
        The smaller model with the facts; print it.

    Raises:
        ValueError: If an argument is not usable, nothing would go, or the fraction of the
            arithmetic cannot be reached.

    Example:
        >>> lite0 = get_backbone("efficientnet_lite0").build(32, None)
        >>> pruned = prune_channels(lite0, channels=0.5)
        >>> pruned.sizes["block02_expand_conv"]
        (96, 48)

    Reference:
        Molchanov et al., 2017, "Pruning Convolutional Neural Networks for Resource Efficient
        Inference", section 2.2 for the scaling by group, arXiv 1611.06440.
    """
    share = _checked(channels, max_multiply_adds, allocation, min_channels, multiple_of)
    model = flattened(model)
    channel_map = find_channel_groups(model)
    found = _scores(model, channel_map, scores)
    groups, left_alone = _prunable(channel_map, found, residual, min_channels)
    cost = MultiplyAdds(model, channel_map)
    choice = ChannelChoice(channel_map, groups, found, allocation, cost, min_channels, multiple_of)
    if channels is not None:
        keep = choice.keep_above(share)
    else:
        keep = choice.keep_within(share)
    if keep.all():
        raise ValueError(
            f"Nothing would go: {share} of the channels is less than half of `multiple_of="
            f"{multiple_of}` in every group, or `min_channels={min_channels}` protects them. "
            "Take more, or lower these."
        )
    smaller = keep_channels(model, channel_map, keep)
    return PrunedChannels(
        model=smaller,
        sizes={group.name: (len(group), int(keep[group.channels].sum())) for group in groups},
        left_alone=left_alone,
        multiply_adds=(cost.whole, cost.of(keep)),
        parameters=(model.count_params(), smaller.count_params()),
        unknown=channel_map.unknown,
    )


def check_fractions(channels: float | None = None, max_multiply_adds: float | None = None) -> None:
    """Judge how much of a model is to go, before there is one.

    Args:
        channels: As in `prune_channels`.
        max_multiply_adds: As there.

    Raises:
        ValueError: If not exactly one is given, or it is no fraction.

    Example:
        >>> check_fractions(channels=0.5)
    """
    if (channels is None) == (max_multiply_adds is None):
        raise ValueError(
            "Pass either `channels`, the fraction of them that goes, or `max_multiply_adds`, the "
            "fraction of the arithmetic that may be left."
        )
    for name, value, meaning in (
        ("channels", channels, "of the channels that go"),
        ("max_multiply_adds", max_multiply_adds, "of the multiply-adds that may be left"),
    ):
        if value is not None and not is_number(value, 0, 1, above=True, below=True):
            raise ValueError(
                f"`{name}` is the fraction {meaning}; it must lie between 0 and 1, not {value!r}."
            )


def _checked(
    channels: float | None,
    max_multiply_adds: float | None,
    allocation: object,
    min_channels: object,
    multiple_of: object,
) -> float:
    check_fractions(channels, max_multiply_adds)
    for name, value in (("min_channels", min_channels), ("multiple_of", multiple_of)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"`{name}` must be a whole number of at least 1, not {value!r}.")
    if allocation not in ALLOCATIONS:
        raise unknown_name("allocation", allocation, ALLOCATIONS, "help(prune_channels)")
    share: Any = max_multiply_adds if channels is None else channels
    return share


def _scores(model: "keras.Model", channels: ChannelMap, scores: str | Scores) -> Scores:
    if isinstance(scores, str):
        if scores not in SCORES:
            raise unknown_name("scores", scores, SCORES, "help(prune_channels)")
        return SCORES[scores](model, channels)
    check_scores(scores, channels)
    return {name: np.asarray(values, "float64") for name, values in scores.items()}


def _prunable(
    channels: ChannelMap, scores: Scores, residual: bool, min_channels: int
) -> tuple[list[ChannelGroup], dict[str, str]]:
    groups, left_alone = [], {}
    for group in channels.groups:
        if group.fixed:
            left_alone[group.name] = group.fixed
        elif group.residual and not residual:
            left_alone[group.name] = "additions tie it; pass residual=True"
        elif len(group) <= min_channels:
            left_alone[group.name] = f"no larger than `min_channels={min_channels}`"
        elif group.name not in scores:
            left_alone[group.name] = "it has no scores"
        else:
            groups.append(group)
    if not groups:
        raise ValueError(
            "No channels may go: "
            + "; ".join(f"{name!r} is left alone, {why}" for name, why in left_alone.items())
            + "."
        )
    return groups, left_alone
