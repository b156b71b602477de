"""The recipe for texts."""

from dataclasses import KW_ONLY, dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from kerasrecipes.arguments import named
from kerasrecipes.backbones.texts.text_backbone import TextBackbone
from kerasrecipes.console import warn
from kerasrecipes.data.examples import Examples
from kerasrecipes.data.modality import get_modality
from kerasrecipes.engine.schedule import UnfreezeSchedule
from kerasrecipes.errors import DataError
from kerasrecipes.settings.setting import Setting
from kerasrecipes.settings.text_rows import TEXT_CLASSIFIER
from kerasrecipes.texts.text_set import TextSet
from kerasrecipes.texts.tokens import Tokens
from kerasrecipes.training.recipe import Recipe

if TYPE_CHECKING:
    from kerasrecipes.backbones.spec import Backbone

EPOCHS = 3


@named
@dataclass(repr=False, eq=False)
class TextClassifier(Recipe):
    """Fine-tune a pretrained backbone to tell texts apart.

    First a linear head learns from the features of the frozen backbone, which are computed once;
    then all of the backbone is fine-tuned with it. Batches have texts of equal length, so that
    hardly anything is computed on padding.

    Args:
        backbone: A name of `kerasrecipes.list_backbones("texts")`, or a `TextBackbone` of your own.
        max_tokens: The most tokens of a text that are read; `None` for the backbone's usual number.
            The end of a longer text is cut off, which is counted and told.

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

    @property
    def input_size(self) -> int | None:
        """The most tokens of a text."""
        return self.max_tokens

    @classmethod
    def usual_schedule(cls, epochs: int | None = None) -> UnfreezeSchedule:
        """Return a linear probe, then fine-tuning of everything.

        Args:
            epochs: Epochs of the fine-tuning; `None` for 3.
        """
        return UnfreezeSchedule.two_phase(epochs or EPOCHS, 5e-5, open_fraction=1.0)

    def prepared(self, examples: Examples, spec: "Backbone") -> Examples:
        """Return texts, to be read by the tokenizer of the backbone."""
        if not isinstance(examples, TextSet) or not isinstance(spec, TextBackbone):
            raise DataError(
                f"A TextClassifier learns from texts, and these are {examples.noun[1]}. Scan them "
                "with scan_texts, or use an ImageClassifier for photos."
            )
        tokens = Tokens(spec.tokenizer(), spec.tokens_of(self.max_tokens))
        found = replace(examples, tokens=tokens)
        if told := found.truncation():
            warn(told)
        return found

    def _as_fitted(self, examples: Examples) -> Examples:
        return get_modality(self.modality).prepared(examples, self.fitted_.input)


RECIPES = (TextClassifier,)
