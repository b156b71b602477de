"""Which words of a text an answer comes from, and whether the answer goes with them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.errors import printable
from kerasrecipes.statistics.paired import mean_difference_interval
from kerasrecipes.statistics.shown import Part, Shown
from kerasrecipes.statistics.tables import Table
from kerasrecipes.surgery.rebuilding import copied

if TYPE_CHECKING:
    import keras

STEPS = 32
_SHOWN = 8


@dataclass(frozen=True)
class WordShares(Shown):
    """What each word of a text was worth to an answer.

    Args:
        words: The words that the model reads, in their order.
        values: float64, shape `(words,)`: by `"occlusion"`, how far the score falls when the word
            is hidden; by `"gradients"`, its share of the score, beyond that of the text with all
            words hidden. What is negative speaks against the answer.
        label: What was looked for, e.g. a class.
        score: What the model says of it.
        method: How the values were found.
        text: The text.
    """

    words: tuple[str, ...]
    values: np.ndarray
    label: str
    score: float
    method: str
    text: str

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-safe data."""
        words = [[word, float(value)] for word, value in zip(self.words, self.values, strict=True)]
        told = {"text": self.text, "label": self.label, "score": self.score}
        return {**told, "method": self.method, "words": words}

    def parts(self) -> Iterator[Part]:
        """Yield the answer, and the words that matter most."""
        yield f"{self.label}  {self.score:.3g}  {printable(self.text)}"
        order = np.argsort(-np.abs(self.values), kind="stable")[:_SHOWN]
        rows = tuple((self.words[i], f"{self.values[i]:+.3f}") for i in order)
        yield Table("", ("word", self.method), rows, right=(1,))


@dataclass(frozen=True)
class DeletionTest(Shown):
    """Whether answers come from the words that explanations name.

    Args:
        named: How far the score falls, on average, when the words named most are hidden.
        drawn: The same for as many words of the text that are drawn at random.
        difference: 95 % interval of the difference of both.
        share: Share of the words that are hidden, rounded up.
        n: Number of texts.
        method: How the words were named.

    Reference:
        Samek et al., 2017, "Evaluating the Visualization of What a Deep Neural Network Has
        Learned", section III, for words in place of pixels.
    """

    named: float
    drawn: float
    difference: tuple[float, float]
    share: float
    n: int
    method: str

    @classmethod
    def of(
        cls,
        falls: np.ndarray,
        by_chance: np.ndarray,
        share: float,
        method: str,
        groups: np.ndarray | None,
    ) -> "DeletionTest":
        """Sum up what hiding words did to each text.

        Args:
            falls: How far each score fell without the words that were named, shape `(n,)`.
            by_chance: The same without words that were drawn.
            share: Share of the words.
            method: How the words were named.
            groups: Number of each text's group; `None` if texts are independent.
        """
        difference = mean_difference_interval(falls, by_chance, groups)
        means = float(falls.mean()), float(by_chance.mean())
        return cls(*means, difference, share, len(falls), method)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-safe data."""
        told = {"named": self.named, "drawn": self.drawn, "difference": list(self.difference)}
        return {**told, "share": self.share, "n": self.n, "method": self.method}

    def parts(self) -> Iterator[Part]:
        """Yield what hiding the named words did, beside chance, and what follows."""
        low, high = self.difference
        verdict = (
            "So the words that are named matter."
            if low > 0
            else "So it is not shown that the words that are named matter: do not rely on them."
        )
        yield (
            f"Measured on {self.n:,} texts by hiding {self.share:.0%} of their words: without "
            f"those that are named the score falls by {self.named:.3f}, without as many drawn ones "
            f"by {self.drawn:.3f} (95 % interval of the difference {low:+.3f} to {high:+.3f}). "
            f"{verdict}"
        )


def occlusion(
    score: Callable[[np.ndarray], np.ndarray], hidden: Sequence[np.ndarray]
) -> np.ndarray:
    """Return how far a score falls when each word is hidden, float64, shape `(words,)`.

    Args:
        score: From token ids, `(n, tokens)`, to the scores of the answer.
        hidden: The token ids of the whole text, and then without each word.

    Reference:
        Li et al., 2016, "Understanding Neural Networks through Representation Erasure".
    """
    found = score(np.stack(hidden)).astype(np.float64)
    return found[0] - found[1:]


class IntegratedGradients:
    """Divides a score among the tokens of a text.

    Args:
        model: From token ids to answers.
        cut: The layer whose output stands for the tokens.

    Reference:
        Sundararajan et al., 2017, "Axiomatic Attribution for Deep Networks", equation 3.
    """

    def __init__(self, model: "keras.Model", cut: str):
        import keras

        # A graph that is cut belongs to two models, of which only one could be saved.
        model = copied(model)
        embedded = model.get_layer(cut).output
        end = keras.tree.flatten(model.output)[0]
        self._embed = keras.Model(model.input, embedded)
        self._rest = keras.Model([model.input, embedded], end)

    def shares(self, ids: np.ndarray, baseline: np.ndarray, answer: int) -> np.ndarray:
        """Return the share of each token in a score, float64, shape `(tokens,)`.

        They add up to the difference between the scores of the text and of the baseline, but for
        the error of a sum of 32 terms in place of an integral.

        Args:
            ids: The token ids of a text, int32, `(tokens,)`.
            baseline: Ids of the same length that say nothing.
            answer: The column of the answers.
        """
        import tensorflow as tf

        at, start = (self._embed(tf.constant(one[None])) for one in (ids, baseline))
        # The middle of each step: exact for what bends once, and never the baseline itself.
        along = (np.arange(STEPS, dtype=np.float32)[:, None, None] + 0.5) / STEPS
        points, tokens = start + along * (at - start), tf.repeat(ids[None], STEPS, axis=0)
        with tf.GradientTape() as tape:
            tape.watch(points)
            total = tf.reduce_sum(self._rest([tokens, points], training=False)[:, answer])
        slope = tf.reduce_mean(tape.gradient(total, points), axis=0)
        return np.asarray(tf.reduce_sum(slope * (at - start)[0], axis=-1), dtype=np.float64)
