"""What the settings of every recipe may be, as far as it takes more than a number to say it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasrecipes.engine.devices.precision import PRECISIONS
from kerasrecipes.engine.rates import CURVES
from kerasrecipes.engine.schedule import UnfreezeSchedule
from kerasrecipes.errors import printable
from kerasrecipes.metrics.choice import NAMED, check_metrics, metric_name
from kerasrecipes.metrics.names import LOSS, Monitored
from kerasrecipes.settings.kinds import OR_NONE, Choice, Kind, NameOrOwn, Text, own_name
from kerasrecipes.settings.structures import Made, Units


def _heads() -> Iterable[str]:
    from kerasrecipes.heads import list_heads

    return list_heads()


def _head_norms() -> Iterable[str]:
    from kerasrecipes.heads.pooled import NORMS

    return NORMS


def _poolings() -> Iterable[str]:
    from kerasrecipes.heads.pooled import POOLINGS

    return POOLINGS


def _mixers() -> Iterable[str]:
    from kerasrecipes.data.mixing import MIXERS

    return MIXERS


def _samplings() -> Iterable[str]:
    from kerasrecipes.data.strata_order import SAMPLINGS

    return SAMPLINGS


def _class_weights() -> Iterable[str]:
    from kerasrecipes.losses.class_weights import WISHES

    return WISHES


def _optimizers() -> Iterable[str]:
    from kerasrecipes.optimizers.kinds import list_optimizers

    return list_optimizers()


def _check_schedule(schedule: Any) -> None:
    if not isinstance(schedule, UnfreezeSchedule):
        raise ValueError(
            f"`schedule` must be an UnfreezeSchedule, not {type(schedule).__name__}. "
            "Pass e.g. UnfreezeSchedule.two_phase(epochs=12)."
        )


SCHEDULE = Made(
    optional=True,
    called="schedule",
    types=lambda: (UnfreezeSchedule,),
    makers=lambda: {
        "two_phase": UnfreezeSchedule.two_phase,
        "head_only": UnfreezeSchedule.head_only,
        "gradual": UnfreezeSchedule.gradual,
        "full": UnfreezeSchedule.full,
    },
    plain=UnfreezeSchedule.to_dict,
    from_list=UnfreezeSchedule.from_dict,
    judge=_check_schedule,
)


def _adapters() -> dict[str, type]:
    from kerasrecipes.surgery.adapters import BitFit, Bottleneck, LowRank

    return {kind.__name__: kind for kind in (LowRank, Bottleneck, BitFit)}


def _adapter_to_dict(adapter: Any) -> dict[str, Any]:
    from kerasrecipes.surgery.adapters import adapter_to_dict

    return adapter_to_dict(adapter)


def _check_adapter(adapter: Any) -> None:
    from kerasrecipes.surgery.adapters import check_adapter

    check_adapter(adapter)


ADAPTER = Made(
    optional=True,
    called="adapter",
    types=lambda: tuple(_adapters().values()),
    makers=_adapters,
    plain=_adapter_to_dict,
    judge=_check_adapter,
)


MONITOR_TOLD = (
    "`{name}` must be 'val_loss', or what is best at an operating point, e.g. "
    "'val_recall_at_false_alarms_0.02', 'val_false_alarms_at_recall_0.95', "
    "'val_recall_of_crack_at_false_alarms_0.02', 'val_recall' or 'val_precision_of_crack', or one "
    "of `metrics`, e.g. 'val_f1' or 'val_f1_of_crack' with metrics=['f1']"
)


def is_own_monitor(monitor: str, metrics: Any) -> bool:
    """Tell whether a value in the logs is one of the metrics that are asked for.

    Args:
        monitor: Its name, e.g. `"val_f1_of_crack"`.
        metrics: A recipe's `metrics`.
    """
    own = [name for name in map(metric_name, metrics or ()) if name]
    called = monitor.removeprefix("val_")
    return any(called == name or called.startswith(f"{name}_of_") for name in own)


def is_monitor(recipe: Any) -> bool:
    """Tell whether what a recipe monitors is measured."""
    monitor = recipe.monitor
    return (
        monitor == LOSS
        or Monitored.parse(monitor) is not None
        or is_own_monitor(monitor, recipe.metrics)
    )


@dataclass(frozen=True, kw_only=True)
class Metrics(Kind):
    """Names of metrics, and what else measures, in a list."""

    @property
    def words(self) -> str:
        names = ", ".join(f'"{name}"' for name in NAMED)
        return (
            f"a list of {names}, names as those of `monitor` without val_, tables with a kind of "
            f"keras.metrics{OR_NONE}"
        )

    def check(self, name: str, value: Any) -> None:
        if value is None:
            return
        if isinstance(value, str) or not isinstance(value, list | tuple) or not value:
            raise ValueError(
                f"`{name}` must be a list, e.g. ['f1', 'calibration_error'], or None, not "
                f"{printable(repr(value))}."
            )
        check_metrics(value)

    def to_plain(self, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        return [dict(one) if isinstance(one, Mapping) else _plain_metric(one) for one in value]


def _plain_metric(metric: Any) -> Any:
    return own_name(metric) if callable(metric) else metric


METRICS = Metrics(optional=True)


@dataclass(frozen=True, kw_only=True)
class LossName(Text):
    """A name of a loss, or in Python one of one's own."""

    def allows(self, value: Any) -> bool:
        return isinstance(value, str) or callable(value)

    def to_plain(self, value: Any) -> Any:
        return own_name(value) if callable(value) else value


@dataclass(frozen=True, kw_only=True)
class MonitorName(Text):
    """A name of a value that validation logs."""

    def allows(self, value: Any) -> bool:
        # Which metrics of one's own there are, the rules of the setting know.
        return isinstance(value, str) and value.startswith("val_")


MONITOR = MonitorName(
    what='"val_loss", or e.g. "val_recall_at_false_alarms_0.02", "val_recall_of_crack"',
    told=MONITOR_TOLD,
)
WEIGHTS = Text(
    optional=True,
    or_else=lambda: (Path,),
    what='"default", "imagenet" (a download), a local file, a saved model\'s folder, or "none"',
    told="`{name}` must be 'default', 'imagenet', the path of a local weights file (.weights.h5, "
    ".keras or .npz), the folder of a saved model or None",
    plain=str,
)
HEAD = Choice(names=_heads, see="kerasrecipes.list_heads()")
HEAD_NORM = Choice(
    optional=True,
    names=_head_norms,
    called="head norm",
    see="the documentation of kerasrecipes.heads",
)
POOLING = Choice(names=_poolings, see="the documentation of kerasrecipes.heads")
HIDDEN = Units(optional=True)
MIX = Choice(optional=True, names=_mixers)
LOSS_NAME = LossName(
    optional=True,
    what='a name of list_losses(), or "none" for the head\'s own; in Python, one of your own',
    told="`{name}` must be a name of kerasrecipes.list_losses(), e.g. 'focal', or None",
)
UNIT = Text(what='e.g. "mm", or "" for none', told="`{name}` must be a text, e.g. 'mm'")
CLASS_WEIGHTS = Choice(
    optional=True,
    names=_class_weights,
    told="`class_weights` must be 'auto', 'sqrt', 'balanced', 'effective' or None",
)
BATCH_NORM = Choice(names=lambda: ("frozen", "reestimate", "train"))
START = Choice(names=lambda: ("auto", "probe", "head"))
PRECISION = Choice(names=lambda: PRECISIONS)
OPTIMIZER = NameOrOwn(
    names=_optimizers,
    called="optimizer",
    see="kerasrecipes.optimizers.list_optimizers()",
    register="kerasrecipes.optimizers.register_optimizer",
)
CURVE = Choice(optional=True, names=lambda: CURVES, see="the documentation of training")
SAMPLING = Choice(optional=True, names=_samplings)
