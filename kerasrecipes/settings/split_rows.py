"""How photos are chosen and split, as `fine_tune_images` takes it: what repeats a run, too."""

from collections.abc import Iterable

from kerasrecipes.settings.kinds import Choice, Number, Switch, Text
from kerasrecipes.settings.setting import Setting

GROUP = "Photos"


def _ways() -> Iterable[str]:
    return ("auto", "random", "group", "time")


SPLIT_ROWS = (
    Setting(
        "group_by",
        GROUP,
        Text(
            optional=True,
            what='a column of the table, "folder", a regular expression, or "none"',
            told="`{name}` must be a text, e.g. 'folder', or None",
        ),
    ),
    Setting("split_by", GROUP, Choice(names=_ways)),
    Setting("test_fraction", GROUP, Number(low=0, high=1)),
    Setting("val_fraction", GROUP, Number(low=0, high=1)),
    Setting("drop_small_classes", GROUP, Switch()),
)
