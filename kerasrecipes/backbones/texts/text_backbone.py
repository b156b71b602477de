"""What there is to know about one backbone for texts, and how to build it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kerasrecipes.backbones.spec import Backbone
from kerasrecipes.data.shapes import USUAL_LENGTH
from kerasrecipes.errors import is_number
from kerasrecipes.surgery.graph import model_name
from kerasrecipes.surgery.rebuilding import single_precision

if TYPE_CHECKING:
    import keras

SHORTEST = 4


@dataclass(frozen=True, kw_only=True)
class TextBackbone(Backbone):
    """One entry of the catalogue of backbones for texts.

    Every backbone takes token ids, int32, with zeros behind the last token, and gives one row of
    features for each text, in which padding has no part.

    Args:
        tokenizer: Returns the tokenizer that its weights were trained with, as the JSON text of
            the package `tokenizers`.
        max_tokens: Tokens of a text that are read, where nobody says.
        longest: The most tokens that its weights can read, at least 64.

    Raises:
        ValueError: If it can read fewer.
    """

    tokenizer: Callable[[], str] = field(repr=False)
    max_tokens: int
    longest: int

    def __post_init__(self) -> None:
        if self.longest < USUAL_LENGTH:
            raise ValueError(
                f"`longest` of {self.name!r} must be at least {USUAL_LENGTH}, the length by which "
                f"models are timed, not {self.longest!r}."
            )

    @property
    def modality(self) -> str:
        """The kind of data that it reads."""
        return "texts"

    def tokens_of(self, max_tokens: int | None) -> int:
        """Return how many tokens of a text are read.

        Args:
            max_tokens: What somebody wishes; `None` for the usual number.

        Raises:
            ValueError: If it is not possible.
        """
        if max_tokens is None:
            return self.max_tokens
        if not is_number(max_tokens, SHORTEST, self.longest, whole=True):
            raise ValueError(
                f"`max_tokens` must be a whole number between {SHORTEST} and {self.longest}, the "
                f"most that {self.name!r} can read, not {max_tokens!r}."
            )
        return max_tokens

    def build(
        self, max_tokens: int | None = None, weights: str | Path | None = "default"
    ) -> "keras.Model":
        """Build the backbone as a flat functional model.

        Args:
            max_tokens: Is checked; the model itself reads any length up to `longest`.
            weights: `"default"`, the path of a local weights file (`.weights.h5`, `.keras`,
                `.npz`), or `None` for random values.

        Returns:
            A model from `ids`, int32 `(tokens,)`, to features `(feature_size,)`.

        Raises:
            ValueError: If an argument is not usable for this backbone.
            DataError: If a weights file is missing, damaged or of another model.
            MissingDependencyError: If the package with the weights is not installed.

        Example:
            >>> get_backbone("minilm", "texts").build(weights=None).output_shape
            (None, 384)
        """
        self.check(max_tokens, weights)
        load = self._loader(weights)
        import keras

        with single_precision():
            ids = keras.Input((None,), name="ids", dtype="int32")
            model = keras.Model(ids, self.build_graph(ids), name=model_name(self.name))
        if load is not None:
            load(model)
        return model

    def check(self, max_tokens: int | None = None, weights: str | Path | None = "default") -> None:
        """Raise what `build` would raise for its arguments, without building anything.

        Raises:
            ValueError: If an argument is not usable for this backbone.
        """
        self.tokens_of(max_tokens)
        self._loader(weights)
