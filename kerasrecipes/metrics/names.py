"""What may be monitored by name: `"val_recall_at_false_alarms_0.02"`. Without keras."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kerasrecipes.errors import unknown_name

if TYPE_CHECKING:
    import keras

LOSS = "val_loss"
EXAMPLES = (
    "val_recall", "val_precision_of_crack", "val_recall_at_false_alarms_0.02",
    "val_recall_of_crack_at_false_alarms_0.02", "val_false_alarms_at_recall_0.95",
)  # fmt: skip
_FORM = re.compile(
    r"val_(?P<what>recall|precision|false_alarms)(_of_(?P<of>.+?))?"
    r"(_at_(?P<at>false_alarms|recall)_(?P<share>0?\.\d+))?"
)
_KINDS = {
    ("recall", None): "MeanRecall",
    ("precision", None): "MeanPrecision",
    ("recall", "false_alarms"): "RecallAtFalseAlarms",
    ("false_alarms", "recall"): "FalseAlarmsAtRecall",
}


@dataclass(frozen=True)
class Monitored:
    """A metric that was named.

    Args:
        monitor: Its name in the logs of a validation.
        kind: A name of `kerasrecipes.metrics`.
        share: The false-alarm rate or recall at which it is measured; `None` without one.
        of: The class that it is of, or several joined by `+`; `None` for the mean over all.
    """

    monitor: str
    kind: str
    share: float | None
    of: str | None

    @classmethod
    def parse(cls, monitor: str) -> "Monitored | None":
        """Read a name.

        Args:
            monitor: E.g. `"val_recall_of_crack+dent_at_false_alarms_0.02"`.

        Returns:
            What it stands for; `None` if it is no such name.

        Example:
            >>> Monitored.parse("val_false_alarms_at_recall_0.95").kind
            'FalseAlarmsAtRecall'
        """
        found = _FORM.fullmatch(monitor)
        if found is None or (found["what"], found["at"]) not in _KINDS:
            return None
        share = None if found["share"] is None else float(found["share"])
        if share == 0:
            return None
        return cls(monitor, _KINDS[found["what"], found["at"]], share, found["of"])

    def class_ids(self, class_names: Sequence[str]) -> list[list[int]] | None:
        """Return the places of the classes that it is of; `None` for all, each by itself.

        Raises:
            ValueError: If a class is unknown.
        """
        if self.of is None:
            return None
        chosen = [self.of] if self.of in class_names else self.of.split("+")
        for name in chosen:
            if name not in class_names:
                raise unknown_name("class", name, class_names, "the classes of the photos")
        return [[list(class_names).index(name) for name in chosen]]

    def make(
        self, class_names: Sequence[str], *, multi_label: bool, from_logits: bool
    ) -> "keras.metrics.Metric":
        """Make the metric.

        Args:
            class_names: The classes, in the order of the scores.
            multi_label: Whether examples may have several labels.
            from_logits: Whether it is measured on raw scores.

        Raises:
            ValueError: If a class is unknown.
        """
        from kerasrecipes import metrics

        shares = {} if self.share is None else {"share": self.share}
        return getattr(metrics, self.kind)(
            **shares,
            class_ids=self.class_ids(class_names),
            multi_label=multi_label,
            from_logits=from_logits,
            name=self.monitor.removeprefix("val_"),
        )
