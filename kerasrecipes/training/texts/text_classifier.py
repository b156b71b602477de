"""The recipe for texts."""

import math
from dataclasses import KW_ONLY, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from kerasrecipes.arguments import named
from kerasrecipes.backbones.texts.text_backbone import TextBackbone
from kerasrecipes.console import say, warn
from kerasrecipes.data.examples import Examples, check_examples
from kerasrecipes.data.modality import get_modality
from kerasrecipes.engine.schedule import Stage, UnfreezeSchedule
from kerasrecipes.errors import DataError, is_number
from kerasrecipes.evaluation.base import Result
from kerasrecipes.novelty.scope import check_enough_known
from kerasrecipes.report.run_report import RunReport
from kerasrecipes.settings.judging import Judged, judge_recipe, with_rates_of
from kerasrecipes.settings.setting import Setting
from kerasrecipes.settings.text_rows import TEXT_CLASSIFIER
from kerasrecipes.texts.augment import Augmenter, TextAugmentation, get_text_augmentation
from kerasrecipes.texts.sheet import TextViews, views_of
from kerasrecipes.texts.text_set import TextSet
from kerasrecipes.texts.tokens import Tokens
from kerasrecipes.training.recipe import Recipe
from kerasrecipes.training.texts.scope import check_share, told_aside, with_scope

if TYPE_CHECKING:
    from kerasrecipes.backbones.spec import Backbone

EPOCHS = 3
# With fewer steps few texts are learned worse; more epochs than these were not tried.
FEWEST_STEPS, MOST_EPOCHS = 150, 12


@named
@dataclass(repr=False, eq=False)
class TextClassifier(Recipe):
    """Fine-tune a pretrained backbone to tell texts apart.

    A fit starts from the best linear model of what the frozen backbone sees, which is computed
    once; then all of the backbone is fine-tuned with it, where validation shows that this helps.
    Batches have texts of equal length, so that hardly anything is computed on padding.

    Args:
        backbone: A name of `kerasrecipes.list_backbones("texts")`, or a `TextBackbone` of your own.
        max_tokens: The most tokens of a text that are read; `None` for the backbone's usual number.
            The end of a longer text is cut off, which is counted and told.
        augment: `"none"`, `"light"` (some tokens hidden), `"spans"`, `"words"`, `"typos"`, or a
            `TextAugmentation`. Only training texts are augmented.
        views: Views per text, of which each epoch shows one; the first is the text itself, the
            others are augmented. A frozen part of the model sees each view once.
        out_of_scope: The share of texts to come that may be set aside as of no known class,
            although they are of one; `None` for no such answer. With it the model also answers
            with `"novelty"`, how far a text is from the nearest class (relative Mahalanobis
            distance; Ren et al., 2021), and from a threshold on, chosen on `val`, a text is new.
            The share holds on average over choices of validation texts, if those to come are like
            them (split conformal; Vovk et al., 2005).

    Example:
        >>> TextClassifier("minilm", seed=7)
        TextClassifier(seed=7)
    """

    name: ClassVar[str] = "TextClassifier"
    modality: ClassVar[str] = "texts"
    table: ClassVar[tuple[Setting, ...]] = TEXT_CLASSIFIER

    backbone: str | TextBackbone = "minilm"
    _: KW_ONLY
    max_tokens: int | None = None
    augment: str | TextAugmentation = "none"
    views: int = 4
    out_of_scope: float | None = None

    @property
    def augmentation(self) -> str | TextAugmentation:
        """How views of training texts differ from these."""
        return self.augment

    @property
    def view_count(self) -> int:
        """How many views of each training text there are."""
        return self.views

    @property
    def input_size(self) -> int | None:
        """The most tokens of a text."""
        return self.max_tokens

    @classmethod
    def usual_schedule(cls, epochs: int | None = None) -> UnfreezeSchedule:
        """Return a linear probe, then fine-tuning of everything, lower blocks more slowly.

        Args:
            epochs: Epochs of the fine-tuning; `None` for 3.
        """
        everything = Stage("top", epochs or EPOCHS, 1e-4, open_fraction=1.0, layer_decay=0.85)
        return UnfreezeSchedule((*UnfreezeSchedule.head_only().stages, everything))

    def for_count(self, judged: Judged, count: int) -> Judged:
        """Return the usual stages, with more epochs for few texts: they need as many steps."""
        if self.schedule is not None:
            return judged
        epochs = math.ceil(FEWEST_STEPS / math.ceil(count / self.batch_size))
        stages = self.usual_schedule(min(max(epochs, EPOCHS), MOST_EPOCHS))
        stages = with_rates_of(self.optimizer, stages)
        return replace(judged, schedule=stages)

    def _fit(self, judged: Judged, train: Examples, val: Examples, **how: Any) -> RunReport:
        if self.out_of_scope is not None:
            check_examples(train=train, val=val)
            check_share(self.out_of_scope, val)
            check_enough_known(train.labels)
        super()._fit(judged, train, val, **how)
        if self.out_of_scope is not None:
            self.fitted_, told = with_scope(self.fitted_, self.out_of_scope, self.seed)
            say(told)
            self.report_.choices.append(told)
        return self.report_

    @named
    def evaluate(self, examples: Examples, *, split: str = "test") -> Result:
        """Measure the model on texts that it has not seen; see `Recipe.evaluate`.

        Args:
            examples: Labelled texts of the same classes.
            split: What to call them in the report.

        Returns:
            An `Evaluation`; print it. With `out_of_scope` it says how many were set aside.

        Raises:
            NotFittedError: Before `fit`.
            DataError: If texts were used in the fit, cannot be read, or have other classes.
            ValueError: If `split` names texts of the fit, e.g. `"val"`.
        """
        evaluation = super().evaluate(examples, split=split)
        if self.fitted_.others:
            told = told_aside(self.fitted_, self._as_fitted(examples))
            evaluation = self.report_.evaluations[split] = evaluation.noted(told)
        return evaluation

    @named
    def show_views(self, texts: TextSet, *, views: int = 3, count: int = 6) -> TextViews:
        """Show some training texts, and beside each the views that training would draw of it.

        Args:
            texts: Where to take the texts from, as evenly from the classes as they come.
            views: Views of each text.
            count: How many texts; fewer are shown if there are no more.

        Returns:
            The sheet; print it.

        Raises:
            ValueError: If `augment` changes nothing, or a number is out of range.
            DataError: If there are no texts, or they cannot be augmented so.

        Example:
            >>> sheet = TextClassifier("minilm", augment="typos").show_views(texts, count=2)
            >>> len(sheet.views)
            2
        """
        for name, value in (("views", views), ("count", count)):
            if not is_number(value, 1, 1000, whole=True):
                raise ValueError(f"`{name}` must be a whole number from 1 to 1000, not {value!r}.")
        augmentation = get_text_augmentation(self.augment)
        if augmentation == TextAugmentation():
            raise ValueError(
                "`augment` changes nothing, so all views are the text itself. Pass e.g. "
                f"augment='words' to {type(self).__name__}."
            )
        known = self.prepared(texts, judge_recipe(self).spec)
        if not len(known):
            raise DataError("There are no texts to show. Scan some.")
        return views_of(known.reader(None, augmentation, self.seed), views, count, self.seed)

    def prepared(self, examples: Examples, spec: "Backbone") -> TextSet:
        """Return texts, to be read by the tokenizer of the backbone."""
        if not isinstance(examples, TextSet) or not isinstance(spec, TextBackbone):
            raise DataError(
                f"A TextClassifier learns from texts, and these are {examples.noun[1]}. Scan them "
                "with scan_texts, or use an ImageClassifier for photos."
            )
        tokens = Tokens(spec.tokenizer(), spec.tokens_of(self.max_tokens), examples.pairs)
        if tokens.pairs:
            tokens.check_pairs()
        Augmenter(get_text_augmentation(self.augment), tokens)  # refuses what it cannot do
        found = replace(examples, tokens=tokens)
        for told in found.cautions():
            warn(told)
        return found

    def _as_fitted(self, examples: Examples) -> Examples:
        return get_modality(self.modality).prepared(examples, self.fitted_.input)


RECIPES = (TextClassifier,)
