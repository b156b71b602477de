"""The table of settings that every recipe has, whatever it learns from."""

from math import inf

from kerasrecipes.settings.engine_kinds import (
    ADAPTER,
    BATCH_NORM,
    CLASS_WEIGHTS,
    HEAD,
    HEAD_NORM,
    HIDDEN,
    LOSS_NAME,
    METRICS,
    MIX,
    MONITOR,
    MONITOR_TOLD,
    POOLING,
    PRECISION,
    SAMPLING,
    SCHEDULE,
    START,
    UNIT,
    WEIGHTS,
    is_monitor,
)
from kerasrecipes.settings.kinds import Number, Switch
from kerasrecipes.settings.setting import (
    COMPUTING,
    DATA,
    LOSS,
    MODEL,
    STAGES,
    Idle,
    Rule,
    Setting,
    needs_open_blocks,
    not_on_devices,
    not_with,
    unlike_probe,
)
from kerasrecipes.settings.step_rows import LOST, NO_BLOCKS, ON, PLAINLY, STEP_ROWS, TAUGHT, TFMOT
from kerasrecipes.settings.structures import DeviceWish, Options

_BY_TEACHERS = Idle("the loss is that of distillation")
_ALONE = Idle("teachers are asked about single photos")
_FLOAT32 = Idle("TFMOT trains in 32 bits")
_NAMING = {"classification", "multi_label"}


_THE_MODEL = (
    Setting(
        "weights",
        MODEL,
        WEIGHTS,
    ),
    Setting(
        "head",
        MODEL,
        HEAD,
        idle={TAUGHT: Idle(_BY_TEACHERS.why, only=("margin", "embedding"))},
        rules=(
            Rule(
                "The head `'embedding'` does not work together with `devices`.",
                lambda asked: asked.value == "embedding" and asked.recipe.devices is not None,
                "The head 'embedding' does not work together with `devices`: its loss compares the "
                "photos of a whole batch, and each device would see its share alone.",
            ),
        ),
    ),
    Setting(
        "head_norm",
        MODEL,
        HEAD_NORM,
        ablations={"with a normalized head": "layer"},
    ),
    Setting("pooling", MODEL, POOLING),
    Setting("hidden", MODEL, HIDDEN),
    Setting(
        "hidden_dropout",
        MODEL,
        Number(low=0, high=0.95),
        rules=(
            not_with(
                "Has no effect without `hidden`.",
                lambda recipe: recipe.hidden is None and recipe.hidden_dropout,
                "`hidden_dropout` would have no effect without `hidden`. Pass e.g. hidden=(256,).",
            ),
        ),
    ),
    Setting("cosine", MODEL, Switch()),
    Setting(
        "depths",
        MODEL,
        Number(optional=True, low=1, high=1000, whole=True),
        idle={ON: Idle("the model is there already")},
    ),
    Setting("dropout", MODEL, Number(low=0, high=0.95), ablations={"without dropout": 0.0}),
    Setting("unit", MODEL, UNIT),
)


def _reads_mixtures(loss: str | None) -> bool:
    from kerasrecipes.losses import reads_mixtures

    return loss is None or reads_mixtures(loss)


_EXAMPLES = (
    Setting("batch_size", DATA, Number(low=1, high=4096, whole=True)),
    Setting(
        "sampling",
        DATA,
        SAMPLING,
        idle={TAUGHT: _ALONE, TFMOT: Idle("TFMOT's training reads each example once in an epoch")},
        rules=(
            not_with(
                '`"class"` does not go with `class_weights`.',
                lambda recipe: (
                    recipe.sampling == "class" and recipe.class_weights not in {None, "auto"}
                ),
                "sampling='class' does not go with `class_weights`, which would count rare classes "
                "twice. Leave one of the two out.",
            ),
            not_on_devices("each device would draw from all examples"),
        ),
        ablations={"with classes drawn alike": "class"},
    ),
    Setting(
        "mix",
        DATA,
        MIX,
        idle={TAUGHT: _ALONE},
        rules=(
            not_with(
                "Needs a `batch_size` of at least 2.",
                lambda recipe: recipe.mix is not None and recipe.batch_size < 2,
                "`mix` needs a `batch_size` of at least 2: it mixes photos of a batch.",
            ),
            not_with(
                "Not with a loss that reads one label of each photo, as semi_hard_triplet does.",
                lambda recipe: recipe.mix is not None and not _reads_mixtures(recipe.loss),
                "`mix` does not work together with this `loss`, which reads one label of each "
                "photo: the lighter one of a mixture would be dropped. Leave `mix` out, or pass "
                "loss='supervised_contrastive', which reads both.",
            ),
        ),
        ablations={"with mixup": "mixup"},
    ),
    Setting(
        "mix_alpha",
        DATA,
        Number(low=1e-3, high=100),
        rules=(
            not_with(
                "Has no effect without `mix`.",
                lambda recipe: recipe.mix is None and recipe.mix_alpha != type(recipe).mix_alpha,
                "`mix_alpha` would have no effect without `mix`. Pass mix='mixup' or 'cutmix'.",
            ),
        ),
    ),
)
_IN_STAGES = (
    Setting(
        "schedule",
        STAGES,
        SCHEDULE,
        rules=(
            Rule(
                "A searched learning rate does not work together with `devices`.",
                lambda asked: (
                    asked.recipe.devices is not None
                    and any(stage.learning_rate == "auto" for stage in asked.schedule.stages)
                ),
                "A searched learning rate does not work together with `devices`: the search runs "
                "on one. Give each stage a rate, e.g. one that a search on one device has found.",
            ),
        ),
    ),
    Setting(
        "start",
        STAGES,
        START,
        off=("head",),
        idle={ON: Idle("the model is there already")},
        rules=(
            Rule(
                "`'probe'` needs the head `'classification'` with its own loss or that of "
                "balanced_softmax, and a frozen, pretrained backbone on one device.",
                lambda asked: asked.value == "probe" and bool(unlike_probe(asked.recipe)),
                "`start='probe'` needs head='classification' with its own loss or "
                "'balanced_softmax', and goes with none of `head_norm`, `hidden`, `cosine`, a "
                "`pooling` that learns ('gem', 'attention'), `adapter`, `devices`, `sampling`, "
                "`curve`, `synthetic_defects`, another `optimizer` than 'adamw', `weights=None` "
                "and another `batch_norm` than 'frozen'. Leave these out, or pass start='head'.",
            ),
        ),
    ),
    Setting(
        "patience",
        STAGES,
        Number(optional=True, low=1, high=10**6, whole=True),
        idle={TFMOT: Idle("all epochs run")},
    ),
    Setting(
        "monitor",
        STAGES,
        MONITOR,
        idle={TAUGHT: _BY_TEACHERS, TFMOT: Idle("all epochs run")},
        rules=(
            not_with(
                "Must be the loss, or what is measured.",
                lambda recipe: not is_monitor(recipe),
                MONITOR_TOLD + ", not {value!r}.",
            ),
            not_with(
                "Needs a head that names classes or labels.",
                lambda recipe: recipe.monitor != "val_loss" and recipe.head not in _NAMING,
                "`monitor` at an operating point needs head='classification' or 'multi_label'. "
                "Leave it out.",
            ),
        ),
    ),
    Setting(
        "metrics",
        STAGES,
        METRICS,
        idle={TAUGHT: _BY_TEACHERS, TFMOT: Idle("TFMOT's training measures what it needs")},
        rules=(
            not_with(
                "Needs a head that names classes or labels.",
                lambda recipe: (
                    recipe.metrics and recipe.head not in {"classification", "multi_label"}
                ),
                "`metrics` needs head='classification' or 'multi_label', whose scores they read. "
                "Leave it out.",
            ),
            not_with(
                "Metrics that are made already do not work together with `devices`.",
                lambda recipe: (
                    recipe.devices is not None
                    and any(hasattr(one, "reset_state") for one in recipe.metrics or ())
                ),
                "`metrics` holds a Keras metric that is made, and `devices` need one of their own. "
                "Pass its class, a table or a name.",
            ),
        ),
    ),
    Setting(
        "adapter",
        STAGES,
        ADAPTER,
        idle={ON: Idle("the weights themselves train")},
        rules=(
            needs_open_blocks(),
            not_on_devices("adapters are made and merged on one device"),
        ),
    ),
    Setting(
        "batch_norm",
        STAGES,
        BATCH_NORM,
        idle={
            ON: Idle("statistics are not measured before it", only=("reestimate",)),
            TFMOT: Idle("statistics are held still"),
        },
        rules=(
            not_with(
                "`'train'` has no effect with `adapter`.",
                lambda recipe: recipe.batch_norm == "train" and recipe.adapter is not None,
                "`batch_norm='train'` would have no effect with `adapter`, under which statistics "
                "stand still. Pass 'frozen' or 'reestimate'.",
            ),
            needs_open_blocks(only="train"),
            not_on_devices(
                "each device would measure statistics of its own share. Pass 'frozen' or "
                "'reestimate'",
                only="train",
            ),
        ),
        ablations={"with BatchNorm re-estimated": "reestimate"},
    ),
)
_THE_LOSS = (
    Setting(
        "loss",
        LOSS,
        LOSS_NAME,
        idle={TAUGHT: _BY_TEACHERS},
        ablations={"with balanced softmax": "balanced_softmax"},
    ),
    Setting("loss_options", LOSS, Options(optional=True), off=({},), idle={TAUGHT: _BY_TEACHERS}),
    Setting(
        "label_smoothing",
        LOSS,
        Number(optional=True, low=0, high=0.5),
        off=(0,),
        idle={TAUGHT: _BY_TEACHERS},
        ablations={"without label smoothing": 0.0},
    ),
    Setting(
        "class_weights",
        LOSS,
        CLASS_WEIGHTS,
        off=(None,),
        idle={TFMOT: Idle("all classes count alike")},
        ablations={"without class weights": None},
    ),
)
_COMPUTING = (
    Setting("cache_gb", COMPUTING, Number(low=0, high=inf)),
    Setting(
        "precision",
        COMPUTING,
        PRECISION,
        off=("float32",),
        idle={NO_BLOCKS: LOST, TFMOT: _FLOAT32},
    ),
    Setting(
        "rematerialise",
        COMPUTING,
        Switch(),
        idle={NO_BLOCKS: LOST, TFMOT: PLAINLY},
        rules=(
            Rule(
                "Needs a schedule that opens blocks of the backbone.",
                lambda asked: asked.value and not asked.opens_blocks,
                "`rematerialise` would have no effect: no stage of the schedule opens a block. "
                "Leave it out, or open some.",
            ),
            not_with(
                "Does not go with `stochastic_depth`.",
                lambda recipe: recipe.rematerialise and recipe.stochastic_depth,
                "`rematerialise` does not go with `stochastic_depth`: a block computed once more "
                "would leave out another branch. Leave one of the two out.",
            ),
        ),
    ),
    Setting(
        "devices",
        COMPUTING,
        DeviceWish(optional=True),
        idle={ON: Idle("it runs on one device")},
    ),
    Setting("seed", COMPUTING, Number(low=0, high=2**31 - 1, whole=True)),
    Setting(
        "deterministic",
        COMPUTING,
        Switch(),
        idle={TFMOT: Idle("TFMOT's operations are as they are")},
    ),
)
ENGINE_ROWS = (*_THE_MODEL, *_EXAMPLES, *_IN_STAGES, *_THE_LOSS, *STEP_ROWS, *_COMPUTING)
