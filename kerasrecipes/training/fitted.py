"""What a fit leaves behind, in one place, and how a model is measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kerasrecipes.bundles.contract import Contract, licence_of
from kerasrecipes.bundles.manifest import Parent
from kerasrecipes.data.examples import Examples
from kerasrecipes.data.inference import time_single
from kerasrecipes.data.modality import get_modality
from kerasrecipes.data.seen import on_side, remember_seen, with_seen
from kerasrecipes.data.specs import ModelInput, OutputSpec
from kerasrecipes.drift.observed import Observed, group_keys, keras_runner, observe
from kerasrecipes.drift.ordinary import with_windows
from kerasrecipes.drift.profile import ReferenceProfile
from kerasrecipes.engine.schedule import UnfreezeSchedule
from kerasrecipes.errors import NotFittedError
from kerasrecipes.evaluation.base import Result
from kerasrecipes.evaluation.task import Task
from kerasrecipes.heads import get_task
from kerasrecipes.report.run_report import RunReport

if TYPE_CHECKING:
    import keras

    from kerasrecipes.backbones.spec import Backbone
    from kerasrecipes.settings.judging import Judged

OUT_OF_FOLD = (
    "The model learned from all of these. Each was answered by a like one that learned from others "
    "(cross-validation)."
)
DECIDED = "Thresholds were chosen on these examples, so what depends on them looks too good."


@dataclass(frozen=True)
class HeldOut:
    """Examples that a model was measured on, and what it said about them."""

    split: str
    examples: Examples
    targets: np.ndarray
    answers: np.ndarray
    seen: Observed | None = None
    # What the model itself says, where `answers` are of like models that had not seen them.
    by_itself: np.ndarray | None = None

    @property
    def own_answers(self) -> np.ndarray:
        """What the very model says, for its files to be compared with."""
        return self.answers if self.by_itself is None else self.by_itself

    def profile(self, output: OutputSpec, seed: int) -> ReferenceProfile:
        """Sketch the examples, for later ones to be compared with.

        Args:
            output: What the model answers with.
            seed: Seed of the sketch.
        """
        if self.seen is None:
            raise NotFittedError("Nothing was measured of these examples. Evaluate them again.")
        modality = self.examples.modality
        groups = group_keys(self.examples.groups, [item.key for item in self.examples.items])
        seen = replace(self.seen, targets=self.targets, groups=groups)
        profile = ReferenceProfile.of(seen, output, modality, seed=seed)
        return with_windows(profile, seen, self.examples.items, seed)


@dataclass(frozen=True)
class OutOfFold:
    """Examples that a model learned from, and what like models say that had not seen them.

    Args:
        examples: The examples.
        answers: One row each.
    """

    examples: Examples
    answers: np.ndarray


@dataclass(frozen=True)
class Fitted:
    """A model, what is known of it, and what it has seen. It is never changed in place.

    Args:
        model: From what examples are read as to answers.
        modality: The kind of data; see `kerasrecipes.data.modality.get_modality`.
        input: What it takes.
        output: What it answers with, first of all.
        report: What is known of its fit.
        seen: The side of every example that it has met; see `kerasrecipes.data.seen`.
        train: Examples that it learned from; `None` for a model that was loaded.
        val: Examples that it was chosen by; `None` for a model that was loaded.
        held_out: What it was measured on, by the name of the split.
        others: What it answers with besides, by the names of its layers.
        parents: The saved models that it was loaded from, or made of.
        out_of_fold: What stands for validation where it learned from validation examples, too.
    """

    model: "keras.Model"
    modality: str
    input: ModelInput
    output: OutputSpec
    report: RunReport
    seen: Mapping[str, str] = field(default_factory=dict)
    train: Examples | None = None
    val: Examples | None = None
    held_out: Mapping[str, HeldOut] = field(default_factory=dict)
    others: tuple[OutputSpec, ...] = ()
    parents: tuple[Parent, ...] = ()
    out_of_fold: OutOfFold | None = None

    def __post_init__(self) -> None:
        remember_seen(getattr(self.model, "layers", ()), self.seen)

    @classmethod
    def of(
        cls,
        model: "keras.Model",
        output: OutputSpec,
        report: RunReport,
        train: Examples,
        val: Examples,
        seen: Mapping[str, str] | None = None,
    ) -> "Fitted":
        """Take down what was fitted.

        Args:
            model: The model.
            output: What it answers with.
            report: What is known of its fit.
            train: Examples that it learned from.
            val: Examples that it was chosen by.
            seen: The sides of what it had met before.
        """
        met = with_seen(seen or {}, {**on_side(val, "val"), **on_side(train, "train")})
        spec = train.input_spec(model)
        return cls(model, train.modality, spec, output, report, met, train, val)

    @property
    def task(self) -> Task:
        """How its answers are read and judged."""
        return get_task(self.output.task)

    def contract(self, description: str = "") -> Contract:
        """Return what a file of the model says of itself.

        Args:
            description: One line about the file.
        """
        return Contract(
            modality=self.modality,
            input=self.input,
            outputs=(self.output, *self.others),
            description=description,
            licence=licence_of(self.report.weights),
        )

    @property
    def learnt_from(self) -> tuple[Examples, Examples]:
        """The examples that it was trained on, and those that it was chosen by.

        Raises:
            NotFittedError: If it was loaded: a bundle keeps their digests alone.
        """
        if self.train is None or self.val is None:
            raise NotFittedError(
                "A recipe that was loaded is saved already. Copy its folder, or call `fit`."
            )
        return self.train, self.val

    @property
    def golden(self) -> HeldOut:
        """What every file of it will be compared on: the test if there was one.

        Raises:
            NotFittedError: If it was never measured.
        """
        if not self.held_out:
            raise NotFittedError(
                "The model was trained, and could not be measured then. Call `evaluate` with "
                "examples that it has not seen: some of them are saved beside it."
            )
        return self.held_out.get("test") or list(self.held_out.values())[-1]

    def measured(self, examples: Examples, split: str, seed: int) -> tuple["Fitted", Result]:
        """Measure the model, and return what is known of it then, with the result.

        Args:
            examples: Labelled examples.
            split: What to call them in the report, which gets the result.
            seed: Seed of the resampling.

        Raises:
            DataError: If they cannot be read, or have other classes.
        """
        # What the weights were chosen by decides from where on an answer counts, too.
        decide = split == "val"
        like = self.out_of_fold if decide else None
        output, held_out, evaluation = measure(
            self.model, examples, self.output, seed, split, decide=decide, like=like
        )
        self.report.evaluations[split] = evaluation
        self.report.data.add(split, examples.counts(), len(examples), examples.digest())
        known = replace(
            self,
            output=output,
            held_out={**self.held_out, split: held_out},
            seen=with_seen(self.seen, on_side(examples, split)),
        )
        return known, evaluation


class ForItsData:
    """What a recipe says of its kind of data: photos as they are, unless a subclass differs."""

    # The kind of data that it learns from.
    modality: ClassVar[str] = "photos"

    @property
    def input_size(self) -> Any:
        """What a backbone is built for; `None` for its own size."""
        return None

    @property
    def augmentation(self) -> Any:
        """How views of training examples differ from these; `None` for not at all."""
        return None

    @property
    def view_count(self) -> int:
        """How many views of each training example there are."""
        return 1

    def practised(self, train: Examples) -> Examples:
        """Return what stages learn from: the training examples, and what is made of them.

        Args:
            train: Training examples.

        Raises:
            DataError: If nothing can be made of them that was asked for.
        """
        return train

    @classmethod
    def usual_schedule(cls, epochs: int | None = None) -> UnfreezeSchedule:
        """Return the stages where nobody names any.

        Args:
            epochs: Epochs with open blocks; `None` for the usual number.
        """
        return UnfreezeSchedule.two_phase(**({} if epochs is None else {"epochs": epochs}))

    def for_count(self, judged: "Judged", count: int) -> "Judged":
        """Return a judged recipe with the stages for so many examples, where nobody named any.

        Args:
            judged: The recipe, judged.
            count: Number of training examples.
        """
        return judged

    def prepared(self, examples: Examples, spec: "Backbone") -> Examples:
        """Return examples as the backbone is to read them, before anything is fitted."""
        return examples

    def _as_fitted(self, examples: Examples) -> Examples:
        """Return examples as the fitted model is to read them."""
        return examples


class Fittable:
    """Gives a recipe what its fit learned: `fitted_`, and the parts of it that people ask for."""

    fitted_: Fitted

    @property
    def model_(self) -> "keras.Model":
        """The fitted model, a plain functional `keras.Model`."""
        return self._fitted("model_").model

    @property
    def labels_(self) -> tuple[str, ...]:
        """The classes or labels, in the order of the scores."""
        return self._fitted("labels_").output.class_names

    @property
    def output_(self) -> OutputSpec:
        """What the model answers with."""
        return self._fitted("output_").output

    @property
    def report_(self) -> RunReport:
        """What is known of the fit."""
        return self._fitted("report_").report

    @property
    def seen_(self) -> Mapping[str, str]:
        """The side of every example that the model has met, by its key."""
        return self.fitted_.seen if hasattr(self, "fitted_") else {}

    def _fitted(self, attribute: str = "model_") -> Fitted:
        """Return what `fit` learned.

        Raises:
            NotFittedError: If `fit` has not run.
        """
        if not hasattr(self, "fitted_"):
            raise NotFittedError(
                f"This {type(self).__name__} has no `{attribute}` yet. Call `fit` first, "
                f"or get a fitted one with {type(self).__name__}.load(folder)."
            )
        return self.fitted_

    def with_fitted(self, fitted: Fitted, **changes: Any) -> Any:
        """Return the same recipe, perhaps with other settings, around another model.

        Args:
            fitted: The model, and what is known of it.
            **changes: Settings that differ.
        """
        other = replace(self, **changes)  # type: ignore[type-var]
        other.fitted_ = fitted
        return other


def measure(
    model: "keras.Model",
    examples: Examples,
    output: OutputSpec,
    seed: int,
    split: str = "test",
    *,
    decide: bool = False,
    like: OutOfFold | None = None,
) -> tuple[OutputSpec, HeldOut, Result]:
    """Ask a model about examples, time single ones, and judge the answers.

    Args:
        model: The fitted model.
        examples: Labelled examples.
        output: What the model answers with.
        seed: Seed of the resampling.
        split: What to call the examples.
        decide: Whether they decide from where on an answer counts.
        like: What is judged in their place.

    Returns:
        What the model answers with, perhaps with thresholds; what it said; and an evaluation.

    Raises:
        DataError: If the examples have other classes than the model, or there are none.
    """
    task, by_itself = get_task(output.task), None
    examples = examples if like is None else like.examples
    targets = task.targets(examples, output)
    seen = observe(model, examples, get_modality(examples.modality))
    if like is not None:
        by_itself, seen = seen.answers, replace(seen, answers=like.answers)
    answers = seen.answers
    known = task.decided(output, targets, answers) if decide else output
    evaluation = task.evaluate(
        targets,
        answers,
        known,
        groups=examples.groups,
        latency_ms=time_single(model, keras_runner(model)),
        seed=seed,
    )
    if known is not output:
        evaluation = evaluation.noted(DECIDED)
    if like is not None:
        evaluation = evaluation.noted(OUT_OF_FOLD)
    for told in examples.cautions():
        evaluation = evaluation.noted(told)
    evaluation = evaluation.about(examples.noun[0])
    return known, HeldOut(split, examples, targets, answers, seen, by_itself), evaluation
