"""What the settings of every recipe may be, as far as it takes more than a number to say it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasrecipes.engine.devices.precision import PRECISIONS
from kerasrecipes.engine.schedule import UnfreezeSchedule
from kerasrecipes.metrics.names import LOSS, Monitored
from kerasrecipes.settings.kinds import Choice, Text
from kerasrecipes.settings.structures import Made


def _heads() -> Iterable[str]:
    from kerasrecipes.heads import list_heads

    return list_heads()


def _head_norms() -> Iterable[str]:
    from kerasrecipes.heads.pooled import NORMS

    return NORMS


def _mixers() -> Iterable[str]:
    from kerasrecipes.data.mixing import MIXERS

    return MIXERS


def _class_weights() -> Iterable[str]:
    from kerasrecipes.losses.class_weights import WISHES

    return WISHES


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


@dataclass(frozen=True, kw_only=True)
class MonitorName(Text):
    """A name of a value that validation logs."""

    def allows(self, value: Any) -> bool:
        return value == LOSS or (isinstance(value, str) and Monitored.parse(value) is not None)


MONITOR = MonitorName(
    what='"val_loss", or e.g. "val_recall_at_false_alarms_0.02", "val_recall_of_crack"',
    told="`{name}` must be 'val_loss', or what is best at an operating point, e.g. "
    "'val_recall_at_false_alarms_0.02', 'val_false_alarms_at_recall_0.95', "
    "'val_recall_of_crack_at_false_alarms_0.02', 'val_recall' or 'val_precision_of_crack'",
)
WEIGHTS = Text(
    optional=True,
    or_else=lambda: (Path,),
    what='"default", "imagenet" (a download), a local file, or "none"',
    told="`{name}` must be 'default', 'imagenet', the path of a local weights file (.weights.h5, "
    ".keras or .npz) or None",
    plain=str,
)
HEAD = Choice(names=_heads, see="kerasrecipes.list_heads()")
HEAD_NORM = Choice(
    optional=True,
    names=_head_norms,
    called="head norm",
    see="the documentation of kerasrecipes.heads",
)
MIX = Choice(optional=True, names=_mixers)
LOSS_NAME = Text(
    optional=True,
    what='a name of list_losses(), or "none" for the head\'s own',
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
