"""One row of the table of settings: what may be set, when it acts, with what it goes together."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Protocol

from kerasrecipes.engine.schedule import UnfreezeSchedule
from kerasrecipes.errors import NoEffectError
from kerasrecipes.settings.kinds import Kind

MODEL, DATA, STAGES = "The model", "Examples and batches", "Stages"
LOSS, STEP, COMPUTING = "The loss", "Optimizer and regularisation", "Computing"
# In the order in which people read them.
GROUPS = (MODEL, DATA, STAGES, LOSS, STEP, COMPUTING)


class Situation(IntEnum):
    """Trainings in which some settings have no use; where two apply, the later one is told."""

    ON = 1  # a finished model is trained on
    TAUGHT = 2  # it follows teachers, too
    NO_BLOCKS = 3  # it no longer has the layers of the backbone
    TFMOT = 4  # TFMOT trains it, through tf_keras


@dataclass(frozen=True)
class Idle:
    """Why a setting has no use in a situation.

    Args:
        why: The reason, in a few words.
        only: Values that it concerns; empty for all that ask for something.
    """

    why: str
    only: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Rule:
    """Something that a setting does not go with.

    Args:
        briefly: The rule in a few words, for the reference.
        broken: Tells whether what is asked for breaks it.
        told: What to say then; it may hold `{name}` and `{value!r}`.
        error: What to raise.
    """

    briefly: str
    broken: Callable[["Asked"], bool]
    told: str
    error: type[ValueError] = ValueError

    def check(self, asked: "Asked") -> None:
        """Raise `error` if the rule is broken."""
        if self.broken(asked):
            raise self.error(self.told.format(name=asked.setting.name, value=asked.value))


@dataclass(frozen=True)
class Setting:
    """One setting of a recipe. Its default and its meaning stand in the recipe's class.

    Args:
        name: The field of the recipe.
        group: What it belongs to, as a heading.
        kind: What it may be.
        off: Values besides the default that ask for nothing.
        idle: Where it has no use, and why.
        rules: What it does not go with.
        ablations: What to try in its place: what that is called → the value.
    """

    name: str
    group: str
    kind: Kind
    off: tuple[Any, ...] = ()
    idle: Mapping[Situation, Idle] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    ablations: Mapping[str, Any] = field(default_factory=dict)

    def asks(self, recipe: "HasSettings") -> bool:
        """Tell whether a recipe asks for anything by it."""
        value = getattr(recipe, self.name)
        return value not in (getattr(type(recipe), self.name), *self.off)


class HasSettings(Protocol):
    """A recipe: an object with a field for each row of its class's table."""

    table: tuple[Setting, ...]


@dataclass(frozen=True)
class Asked:
    """One setting, and all that is asked for beside it.

    Args:
        setting: Its row.
        recipe: The recipe.
        schedule: The stages that are trained.
    """

    setting: Setting
    recipe: Any
    schedule: UnfreezeSchedule

    @property
    def value(self) -> Any:
        """What it is set to."""
        return getattr(self.recipe, self.setting.name)

    @property
    def asks(self) -> bool:
        """Whether that asks for anything."""
        return self.setting.asks(self.recipe)

    @property
    def opens_blocks(self) -> bool:
        """Whether any stage trains a part of the backbone."""
        return any(stage.open_fraction > 0 for stage in self.schedule.stages)


def usual_changes(table: Iterable[Setting]) -> dict[str, dict[str, Any]]:
    """Return what an ablation tries: what is left out, then what is added.

    Args:
        table: The rows of a recipe.

    Returns:
        What a change is called → the settings that it changes.
    """
    found = {words: {row.name: value} for row in table for words, value in row.ablations.items()}
    return dict(sorted(found.items(), key=lambda one: not one[0].startswith("without ")))


def _concerned(only: Any) -> Callable[[Asked], bool]:
    return lambda asked: asked.asks if only is None else asked.value == only


def needs_open_blocks(only: Any = None) -> Rule:
    """Refuse what acts on open blocks where no stage opens any.

    Args:
        only: The value that it holds for; `None` for all that ask for something.
    """
    concerned = _concerned(only)
    return Rule(
        "Needs a schedule that opens blocks of the backbone.",
        lambda asked: concerned(asked) and not asked.opens_blocks,
        "`{name}={value!r}` would have no effect: it acts on open blocks of the backbone, and no "
        "stage of the schedule opens any. Leave it out, or pass e.g. UnfreezeSchedule.two_phase().",
    )


def not_on_devices(why: str, only: Any = None) -> Rule:
    """Refuse what several devices cannot do together.

    Args:
        why: The reason, and what to do.
        only: The value that it holds for; `None` for all that ask for something.
    """
    concerned = _concerned(only)
    named = "{name}" if only is None else "{name}={value!r}"
    subject = "Does" if only is None else f"`{only!r}` does"
    return Rule(
        f"{subject} not work together with `devices`: {why}.",
        lambda asked: asked.recipe.devices is not None and concerned(asked),
        f"`{named}` does not work together with `devices`: {why}.",
    )


def not_with(briefly: str, broken: Callable[[Any], bool], told: str) -> Rule:
    """Refuse two settings together.

    Args:
        briefly: The rule in a few words.
        broken: Tells of a recipe whether it breaks the rule.
        told: What to say then.
    """
    return Rule(briefly, lambda asked: broken(asked.recipe), told)


def without(rows: Iterable[Setting], noun: str, refused: Mapping[str, str]) -> tuple[Setting, ...]:
    """Return the settings of every recipe, for a kind of data that has no use for some of them.

    Args:
        rows: The settings.
        noun: What people call several examples, e.g. `"texts"`.
        refused: The name of a setting → why it is of no use.
    """

    def asks(name: str) -> Callable[[Any], bool]:
        return lambda recipe: getattr(recipe, name) != getattr(type(recipe), name)

    def narrowed(row: Setting) -> Setting:
        told = f"`{row.name}` cannot be used for {noun}: {refused[row.name]}. Leave it out."
        rule = not_with(f"Not for {noun}.", asks(row.name), told)
        return replace(row, rules=(rule, *row.rules), ablations={})

    return tuple(narrowed(row) if row.name in refused else row for row in rows)


def no_effect(briefly: str, broken: Callable[[Any], bool], told: str) -> Rule:
    """Refuse what changes nothing beside another setting, and may be left out in an ablation.

    Args:
        briefly: The rule in a few words.
        broken: Tells of a recipe whether it breaks the rule.
        told: What to say then.
    """
    return Rule(briefly, lambda asked: broken(asked.recipe), told, NoEffectError)


def unlike_probe(recipe: Any) -> list[str]:
    """Name the settings for which a linear model of frozen features can be no start of a recipe.

    Args:
        recipe: The recipe.
    """
    suits = {
        "head": recipe.head == "classification",
        "loss": recipe.loss in (None, "cross_entropy", "balanced_softmax"),
        "loss_options": not recipe.loss_options,
        "hidden": recipe.hidden is None,
        "cosine": not recipe.cosine,
        "pooling": recipe.pooling not in {"gem", "attention"},
        "weights": recipe.weights is not None,
        "optimizer": recipe.optimizer == "adamw",
        "batch_norm": recipe.batch_norm == "frozen",
        **{
            name: getattr(recipe, name) is None
            for name in ("head_norm", "adapter", "devices", "sampling", "curve")
        },
        # Of photos alone. Copies of a photo on both sides of a fold would flatter the probe.
        "synthetic_defects": getattr(recipe, "synthetic_defects", None) is None,
    }
    return [name for name, fits in suits.items() if not fits]


def settings_without_effect(
    recipe: Any, teachers: bool, blocks: bool = True, tfmot: bool = False
) -> dict[str, str]:
    """Name what a recipe asks for and training a model on does not do.

    Args:
        recipe: A recipe, e.g. an `ImageClassifier`.
        teachers: Whether it is trained by teachers, too.
        blocks: Whether the blocks of the recipe's backbone are found in the model.
        tfmot: Whether TFMOT trains it, through tf_keras.

    Returns:
        Each such setting, e.g. `"devices=2"` → why it does not apply.

    Example:
        >>> settings_without_effect(ImageClassifier(devices=2), teachers=False)
        {'devices=2': 'it runs on one device'}
    """
    given = {
        Situation.ON: True,
        Situation.TAUGHT: teachers,
        Situation.NO_BLOCKS: not blocks,
        Situation.TFMOT: tfmot,
    }
    found = {}
    for row in recipe.table:
        reasons = [row.idle[where] for where in Situation if given[where] and where in row.idle]
        value = getattr(recipe, row.name)
        if reasons and row.asks(recipe) and value in (reasons[-1].only or (value,)):
            found[f"{row.name}={value!r}"] = reasons[-1].why
    return found


def idle_sentence(idle: Mapping[str, str]) -> str:
    """Say in a sentence what `settings_without_effect` names, or return `""`.

    Args:
        idle: What it returned.

    Example:
        >>> idle_sentence({})
        ''
    """
    told = ", ".join(f"`{setting}` ({why})" for setting, why in idle.items())
    return f"Of the recipe's settings, these do not apply to training on: {told}." if idle else ""
