"""Explanations of a saved or fitted model for texts: which words its answer comes from."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.bundles.bundle import BundleFolder
from kerasrecipes.data.inference import batch_runner
from kerasrecipes.errors import DataError, is_number, unknown_name
from kerasrecipes.evaluation.scores import group_numbers
from kerasrecipes.explaining.words import (
    DeletionTest,
    IntegratedGradients,
    WordShares,
    occlusion,
)
from kerasrecipes.texts.modality import MODALITY, tokens_of
from kerasrecipes.texts.tokens import SplitText

if TYPE_CHECKING:
    from kerasrecipes.texts.text_set import TextSet

METHODS = ("occlusion", "gradients")
# What stands for the tokens of a text in the backbones of this package.
EMBEDDINGS = "embeddings_norm"
DRAWS = 5
FEWEST_WORDS = 3


@named
class TextExplainer:
    """Tells which words of a text an answer comes from.

    Args:
        model: A saved model or its folder, or a fitted recipe, for texts.
        method: `"occlusion"` hides one word after the other behind the mask token, and sees how
            far the score falls; `"gradients"` (integrated gradients) divides the score among the
            words, for less computing of long texts.

    Raises:
        ValueError: If the method is unknown, or the backbone does not suit it.
        DataError: If there is no saved or fitted model, or it does not take texts.
        IntegrityError: If a file of it was changed.
    """

    def __init__(self, model: "BundleFolder | str | Path | Any", method: str = "occlusion"):
        if method not in METHODS:
            raise unknown_name("method", method, METHODS, "help(kerasrecipes.TextExplainer)")
        if isinstance(model, str | Path):
            model = BundleFolder.load(model)
        if isinstance(model, BundleFolder):
            kind, takes, gives = model.manifest.modality, model.input, model.output
        elif hasattr(model, "fitted_"):
            fitted = model.fitted_
            kind, takes, gives = fitted.modality, fitted.input, fitted.output
        else:
            raise DataError(
                f"`model` must be a saved model, its folder or a fitted recipe, not {model!r}."
            )
        if kind != MODALITY.name:
            raise DataError(
                f"Words are of texts, and this model takes {kind}. Use kerasrecipes.Explainer."
            )
        self._model = model.load_model() if isinstance(model, BundleFolder) else model.model_
        self._output, self._tokens = gives, tokens_of(takes)
        self.method = method
        self._run = batch_runner(self._model)
        self._gradients = self._prepare_gradients() if method == "gradients" else None

    @named
    def explain(self, text: str, of: str | int | None = None) -> WordShares:
        """Tell which words of a text an answer comes from.

        Args:
            text: The text.
            of: The class to look for, or its number; `None` for what the model says.

        Raises:
            DataError: If the text has no words.
            ValueError: If there is no such class.
        """
        read = self._split(text)
        scores = self._scores(read.ids[None])[0]
        answer = int(scores.argmax()) if of is None else self.check(of)
        values = self._values(read, answer)
        names = self._output.class_names or (self._output.name,)
        return WordShares(
            read.words, values, names[answer], float(scores[answer]), self.method, text
        )

    @named
    def check(self, of: str | int) -> int:
        """Return the number of a class.

        Args:
            of: The class, or its number.

        Raises:
            ValueError: If there is no such class.
        """
        names = self._output.class_names or (self._output.name,)
        if isinstance(of, str) and of in names:
            return names.index(of)
        if isinstance(of, str):
            raise unknown_name("class", of, names, "the model's class_names")
        if not is_number(of, 0, len(names) - 1, whole=True):
            raise ValueError(
                f"`of` must be a class, or its number from 0 to {len(names) - 1}, not {of}."
            )
        return of

    @named
    def measure(self, texts: "TextSet", *, share: float = 0.2, seed: int = 0) -> DeletionTest:
        """Hide the words that explanations name, and as many drawn ones, and compare.

        Args:
            texts: Texts of at least 3 words; shorter ones are left out. Their labels are not
                looked at: what the model says is explained.
            share: Share of the words that are hidden, rounded up.
            seed: Seed of the words that are drawn, five times for each text.

        Returns:
            A `DeletionTest`; print it.

        Raises:
            DataError: If fewer than 2 texts have enough words.
            ValueError: If `share` is not between 0 and 1.
        """
        if not is_number(share, 0, 1, above=True, below=True):
            raise ValueError(f"`share` must be between 0 and 1, not {share!r}.")
        falls, by_chance, used = [], [], []
        for place, read in enumerate(map(self._tokens.split, (one.text for one in texts.texts))):
            if len(read.words) < FEWEST_WORDS:
                continue
            rng = np.random.default_rng([seed, place])
            whole = self._scores(read.ids[None])[0]
            answer, count = int(whole.argmax()), int(np.ceil(share * len(read.words)))
            named_words = np.argsort(-self._values(read, answer), kind="stable")[:count]
            drawn = [rng.permutation(len(read.words))[:count] for _ in range(DRAWS)]
            hidden = [self._tokens.hidden(read, words) for words in (named_words, *drawn)]
            left = self._scores(np.stack(hidden))[:, answer]
            falls.append(whole[answer] - left[0])
            by_chance.append(whole[answer] - left[1:].mean())
            used.append(place)
        if len(used) < 2:
            raise DataError(
                f"Fewer than 2 texts have {FEWEST_WORDS} words that the model reads, too few to "
                "measure by. Pass more texts."
            )
        chosen = texts.select(used)
        groups = group_numbers(chosen.groups, len(chosen))
        return DeletionTest.of(np.array(falls), np.array(by_chance), share, self.method, groups)

    @named
    def explain_all(self, texts: "TextSet", of: str | int | None = None) -> Iterator[WordShares]:
        """Explain one text after the other; see `explain`."""
        return (self.explain(one.text, of) for one in texts.texts)

    def _prepare_gradients(self) -> IntegratedGradients:
        if EMBEDDINGS not in {one.name for one in self._model.layers}:
            raise ValueError(
                f"`method='gradients'` needs a backbone with a layer {EMBEDDINGS!r}, which this "
                "one lacks. Use 'occlusion'."
            )
        return IntegratedGradients(self._model, EMBEDDINGS)

    def _split(self, text: str) -> SplitText:
        read = self._tokens.split(text)
        if not read.words:
            raise DataError(f"{text[:60]!r} has no words that could matter. Pass another text.")
        return read

    def _scores(self, ids: np.ndarray) -> np.ndarray:
        return self._run(ids)[0]

    def _values(self, read: SplitText, answer: int) -> np.ndarray:
        words, hidden = range(len(read.words)), self._tokens.hidden
        if self._gradients is None:
            without = [hidden(read, [word]) for word in words]
            return occlusion(lambda ids: self._scores(ids)[:, answer], [read.ids, *without])
        baseline = hidden(read, words)
        tokens = self._gradients.shares(read.ids, baseline, answer)
        return np.array([tokens[read.of == word].sum() for word in words])
