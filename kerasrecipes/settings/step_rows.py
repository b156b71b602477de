"""The rows of the table of settings that say how a step is taken, and what holds weights back."""

from math import inf

from kerasrecipes.engine.rates import ADAMW, CONSTANT, averages_itself
from kerasrecipes.errors import NoEffectError
from kerasrecipes.settings.engine_kinds import CURVE, OPTIMIZER
from kerasrecipes.settings.kinds import Number, Switch
from kerasrecipes.settings.setting import (
    STEP,
    Idle,
    Rule,
    Setting,
    Situation,
    needs_open_blocks,
    no_effect,
    not_on_devices,
    not_with,
)
from kerasrecipes.settings.structures import Options

ON, TAUGHT, NO_BLOCKS, TFMOT = Situation
LOST = Idle("the model no longer has the layers of the backbone, by name")
PLAINLY = Idle("TFMOT's training is plain Adam along a cosine")
_ONE_DEVICE = "it is made for one device"
_ADAMW_ALONE = Rule(
    'Needs the optimizer `"adamw"`.',
    lambda asked: asked.asks and asked.recipe.optimizer != ADAMW,
    "`{name}={value!r}` needs optimizer='adamw', in whose step it is. Leave one of the two out.",
)
_AVERAGED = not_with(
    '`"schedule_free_adamw"` needs `ema` and no `curve` but `"constant"`.',
    lambda recipe: (
        averages_itself(recipe.optimizer) and not (recipe.ema and recipe.curve in {None, CONSTANT})
    ),
    "optimizer={value!r} answers with an average of its own, which takes the place of a curve that "
    "falls and of a moving average. Leave `curve` out, and `ema` on.",
)
STEP_ROWS = (
    Setting(
        "optimizer",
        STEP,
        OPTIMIZER,
        idle={NO_BLOCKS: Idle(LOST.why, only=("muon",)), TFMOT: PLAINLY},
        rules=(
            _AVERAGED,
            Rule(
                '`"muon"` needs a schedule that opens blocks of the backbone.',
                lambda asked: asked.value == "muon" and not asked.opens_blocks,
                "optimizer='muon' would have no effect: it moves kernels inside of the backbone, "
                "and the head by AdamW; no stage of the schedule opens a block. Leave it out, or "
                "open some.",
                NoEffectError,
            ),
            not_on_devices(_ONE_DEVICE, only="schedule_free_adamw"),
        ),
    ),
    Setting(
        "optimizer_options",
        STEP,
        Options(optional=True, owner="optimizer", example="{'momentum': 0.95}"),
        off=({},),
        idle={TFMOT: PLAINLY},
    ),
    Setting("curve", STEP, CURVE, idle={TFMOT: PLAINLY}),
    Setting(
        "curve_options",
        STEP,
        Options(optional=True, owner="curve", example="{'decay_fraction': 0.3}"),
        off=({},),
        idle={TFMOT: PLAINLY},
    ),
    Setting(
        "weight_decay",
        STEP,
        Number(low=0, high=1),
        off=(0,),
        idle={TFMOT: PLAINLY},
        ablations={"without weight decay": 0.0},
    ),
    Setting("ema", STEP, Switch(), ablations={"without average of weights": False}),
    Setting(
        "l2_sp",
        STEP,
        Number(low=0, high=1000),
        idle={NO_BLOCKS: LOST, TFMOT: PLAINLY},
        rules=(
            not_with(
                "Has no effect with `adapter`.",
                lambda recipe: recipe.l2_sp and recipe.adapter is not None,
                "`l2_sp` would have no effect with `adapter`, which leaves pretrained weights "
                "where they are. Leave one of the two out.",
            ),
            no_effect(
                "Needs pretrained weights.",
                lambda recipe: recipe.l2_sp and recipe.weights is None,
                "`l2_sp` would pull toward random weights with `weights=None`, and there are no "
                "pretrained ones to hold on to. Leave it out, or use pretrained weights.",
            ),
            _ADAMW_ALONE,
            needs_open_blocks(),
            not_on_devices(_ONE_DEVICE),
        ),
        ablations={"with L2-SP": 3.0},
    ),
    Setting(
        "stochastic_depth",
        STEP,
        Number(low=0, high=0.95),
        idle={ON: Idle("all branches take part")},
        rules=(
            needs_open_blocks(),
            not_on_devices("each device would leave out branches of its own"),
        ),
        ablations={"with stochastic depth": 0.2},
    ),
    Setting("clip_norm", STEP, Number(optional=True, low=1e-6, high=inf), idle={TFMOT: PLAINLY}),
    Setting(
        "adaptive_clip",
        STEP,
        Number(optional=True, low=1e-6, high=1000),
        idle={NO_BLOCKS: LOST, TFMOT: PLAINLY},
        rules=(_ADAMW_ALONE, needs_open_blocks(), not_on_devices(_ONE_DEVICE)),
        ablations={"with adaptive clipping": 0.05},
    ),
    Setting(
        "accumulate",
        STEP,
        Number(low=1, high=1000, whole=True),
        idle={TFMOT: PLAINLY},
        rules=(not_on_devices("raise `batch_size` instead, which the devices share"),),
    ),
)
