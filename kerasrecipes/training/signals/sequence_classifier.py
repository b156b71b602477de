"""The recipe for signals."""

import math
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from kerasrecipes.arguments import named
from kerasrecipes.backbones.signals.signal_backbone import SignalBackbone
from kerasrecipes.data.examples import Examples
from kerasrecipes.data.modality import get_modality
from kerasrecipes.engine.schedule import UnfreezeSchedule
from kerasrecipes.errors import DataError, NoEffectError
from kerasrecipes.settings.judging import Judged, with_rates_of
from kerasrecipes.settings.setting import Setting
from kerasrecipes.signals.signal_set import SignalSet
from kerasrecipes.training.recipe import Recipe
from kerasrecipes.training.signals.signal_rows import SEQUENCE_CLASSIFIER

if TYPE_CHECKING:
    from kerasrecipes.backbones.spec import Backbone
    from kerasrecipes.training.linear.probe import ProbeResult

EPOCHS, LEARNING_RATE = 100, 1e-3
# With a fifth of these a network of few signals did not learn anything yet.
FEWEST_STEPS = 1000


@named
@dataclass(repr=False, eq=False)
class SequenceClassifier(Recipe):
    """Train a network on signals: sensors, machines, sound.

    There are no pretrained weights, so the whole network trains from random ones, in one stage of
    100 epochs, or of few signals as many as make 1,000 steps.
    Signals may have any length, and gaps: NaN is what is missing, and is masked. Each channel is
    scaled inside the model, by its mean and deviation in training.

    Args:
        backbone: A name of `kerasrecipes.list_backbones("signals")`, or a `SignalBackbone`.
        weights: `None` for random weights, or a local file of an earlier model to begin with.
        batch_size: Signals per training step.
        batch_norm: As in other recipes; `"train"`, since nothing has measured statistics before.
        clip_norm: As in other recipes; recurrent networks need it.

    Example:
        >>> SequenceClassifier("gru", seed=7)
        SequenceClassifier(backbone='gru', seed=7)
    """

    name: ClassVar[str] = "SequenceClassifier"
    modality: ClassVar[str] = "signals"
    table: ClassVar[tuple[Setting, ...]] = SEQUENCE_CLASSIFIER

    backbone: str | SignalBackbone = "fcn"
    _: KW_ONLY
    weights: str | Path | None = None
    batch_size: int = 16
    batch_norm: str = "train"
    clip_norm: float | None = 1.0

    @classmethod
    def usual_schedule(cls, epochs: int | None = None) -> UnfreezeSchedule:
        """Return one stage in which everything trains.

        Args:
            epochs: Its epochs; `None` for 100.
        """
        return UnfreezeSchedule.full(epochs or EPOCHS, LEARNING_RATE)

    def for_count(self, judged: Judged, count: int) -> Judged:
        """Return the usual stage, with more epochs for few signals: they need as many steps."""
        if self.schedule is not None:
            return judged
        epochs = max(EPOCHS, math.ceil(FEWEST_STEPS / math.ceil(count / self.batch_size)))
        schedule = with_rates_of(self.optimizer, self.usual_schedule(epochs))
        return replace(judged, schedule=schedule)

    def prepared(self, examples: Examples, spec: "Backbone") -> Examples:
        """Return the signals as they are, after making sure that they are signals."""
        if not isinstance(examples, SignalSet):
            raise DataError(
                f"A SequenceClassifier learns from signals, and these are {examples.noun[1]}. Scan "
                "recordings with scan_signals, or use an ImageClassifier for photos."
            )
        return examples

    @named
    def probe(self, train: Examples, val: Examples, *, verbose: bool = True) -> "ProbeResult":
        """Refuse: there is nothing pretrained to measure.

        Raises:
            NoEffectError: Always.
        """
        raise NoEffectError(
            "`probe` measures pretrained features, and no network for signals has any. "
            "recommend_family measures families beside the classical baseline."
        )

    def _as_fitted(self, examples: Examples) -> Examples:
        return get_modality(self.modality).prepared(examples, self.fitted_.input)


RECIPES = (SequenceClassifier,)
