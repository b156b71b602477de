"""A sheet of texts with the views that training would draw of them, to be read."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.errors import printable
from kerasrecipes.statistics.shown import Part, Shown

if TYPE_CHECKING:
    from kerasrecipes.texts.reader import TextReader


@dataclass(frozen=True)
class TextViews(Shown):
    """Some texts, and what training sees of each.

    Args:
        texts: The texts, as they are written.
        labels: What each is answered with.
        views: The views of each, as the tokens that a model reads.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    views: tuple[tuple[str, ...], ...]

    def parts(self) -> Iterator[Part]:
        """Yield each text with its label, and its views below it."""
        yield "Does each line still say what its label says? If not, less should be changed."
        for text, label, views in zip(self.texts, self.labels, self.views, strict=True):
            yield from ("", f"{printable(label)}: {printable(text)}")
            yield from (f"  {printable(view)}" for view in views)


def views_of(reader: "TextReader", views: int, count: int, seed: int) -> TextViews:
    """Return views of some texts, as evenly from the classes as they come.

    Args:
        reader: Reads them, augmented.
        views: Views beside each text.
        count: How many texts; fewer are shown if there are no more.
        seed: Seed of the choice.
    """
    texts = reader.examples
    order = np.random.default_rng(seed).permutation(len(texts))
    # The first of each class, then the second of each, and so on.
    met: dict[object, int] = {}
    turns = []
    for place in order:
        label = texts.texts[place].label
        turns.append(met.setdefault(label, 0))
        met[label] += 1
    chosen = order[np.argsort(turns, kind="stable")][:count]
    tokens = texts.tokens
    drawn = [reader.view(view) for view in range(1, views + 1)]
    return TextViews(
        texts=tuple(texts.texts[i].text for i in chosen),
        labels=tuple(str(texts.texts[i].label) for i in chosen),
        views=tuple(
            tuple(tokens.readable(ids[i]) for ids in drawn) if tokens else () for i in chosen
        ),
    )
