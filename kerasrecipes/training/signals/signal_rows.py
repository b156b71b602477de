"""The table of settings of a recipe for signals: its own, then those of every recipe."""

from dataclasses import replace

from kerasrecipes.settings.engine_rows import ENGINE_ROWS
from kerasrecipes.settings.kinds import Text
from kerasrecipes.settings.setting import MODEL, Rule, Setting, without


def _spec() -> tuple[type, ...]:
    from kerasrecipes.backbones.signals.signal_backbone import SignalBackbone

    return (SignalBackbone,)


SIGNAL_ROWS = (
    Setting(
        "backbone",
        MODEL,
        Text(
            or_else=_spec,
            what="a name of list_backbones('signals')",
            told="`{name}` must be a name of list_backbones('signals') or a SignalBackbone",
            plain=lambda spec: spec.name,
        ),
    ),
)
# What the engine offers to photos and signals have no use for, or not yet.
_PHOTOS_ONLY = {
    "pooling": "the network has pooled the steps",
    "mix": "signals of different lengths, with gaps, cannot be mixed",
    "devices": "batches of free length run on one device so far",
    "rematerialise": "it is not tried on networks for signals yet",
    "stochastic_depth": "it is not tried on networks for signals yet",
    "adapter": "nothing is pretrained that it could adapt",
    "l2_sp": "nothing is pretrained that it could hold on to",
}
_TRAINS = Rule(
    "All stages must train the whole network, unless `weights` names a file.",
    lambda asked: (
        asked.recipe.weights is None
        and any(stage.open_fraction < 1 for stage in asked.schedule.stages)
    ),
    "`schedule` has a stage that leaves a part of the network frozen, and nothing of it is "
    "pretrained. Pass UnfreezeSchedule.full(epochs, learning_rate), or name a file by `weights`.",
)
SEQUENCE_CLASSIFIER = (
    *SIGNAL_ROWS,
    *(
        replace(row, rules=(*row.rules, _TRAINS)) if row.name == "schedule" else row
        for row in without(ENGINE_ROWS, "signals", _PHOTOS_ONLY)
    ),
)
