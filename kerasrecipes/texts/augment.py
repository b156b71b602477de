"""Views of training texts: small changes that leave the meaning, drawn from a seed per text.

Words are changed in the text, and tokens behind the tokenizer, so that `[MASK]` can stand for
what is hidden. Every draw comes from a generator of its own: the same text under the same seed
gives the same view, in any batch.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.errors import DataError, is_number, unknown_name
from kerasrecipes.texts.pairs import joined, parted
from kerasrecipes.texts.synonyms import read_synonyms
from kerasrecipes.texts.tokens import Tokens

Rewriter = Callable[[str, np.random.Generator], str]
REWRITERS: dict[str, Rewriter] = {}
# Shorter words are mostly those that hold a sentence together.
_SHORTEST_TYPO = 4


@named
@dataclass(frozen=True, slots=True)
class TextAugmentation:
    """How much of a text a view changes; zero or `""` leaves a change out.

    Args:
        mask_fraction: Share of the tokens that are hidden behind the tokenizer's mask token.
        span_fraction: Share of the tokens that are lost in one run, for which one mask token
            stands (Raffel et al., 2020, "T5", section 3.1.4).
        drop_fraction: Share of the words that are left out.
        swap_fraction: Share of the words that change places with the next one.
        noise_fraction: Share of the words of at least four letters that get a slip of the pen: two
            letters swapped, one left out or one doubled.
        synonym_fraction: Share of the words for which another of `synonyms` stands, where there is
            one (Wei & Zou, 2019, "EDA").
        synonyms: A file with words that may stand for each other, one group a line, with commas
            between them.
        rewrite: The name of a function of your own, see `register_rewriter`: back-translation, say.

    Raises:
        ValueError: If a share is out of range, a rewriter is unknown, or one of `synonyms` and
            `synonym_fraction` is given without the other.
    """

    mask_fraction: float = 0.0
    span_fraction: float = 0.0
    drop_fraction: float = 0.0
    swap_fraction: float = 0.0
    noise_fraction: float = 0.0
    synonym_fraction: float = 0.0
    synonyms: str = ""
    rewrite: str = ""

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name.endswith("_fraction") and not is_number(value, 0, 0.9):
                raise ValueError(f"`{one.name}` must be a number from 0 to 0.9, not {value!r}.")
        if not isinstance(self.synonyms, str) or bool(self.synonyms) != bool(self.synonym_fraction):
            raise ValueError(
                "`synonyms` and `synonym_fraction` only have an effect together. Pass e.g. "
                "synonym_fraction=0.1 with synonyms='synonyms.txt', the path of a file."
            )
        if self.rewrite and self.rewrite not in REWRITERS:
            raise unknown_name(
                "rewriter", self.rewrite, REWRITERS, "kerasrecipes.register_rewriter"
            )


TEXT_AUGMENTATIONS = {
    "none": TextAugmentation(),
    "light": TextAugmentation(mask_fraction=0.1),
    "spans": TextAugmentation(span_fraction=0.2),
    "words": TextAugmentation(drop_fraction=0.1, swap_fraction=0.1),
    # For what people type on a phone.
    "typos": TextAugmentation(noise_fraction=0.15),
}


@named
def register_rewriter(name: str, function: Rewriter, replace: bool = False) -> None:
    """Name a function that says a text in other words, for `TextAugmentation.rewrite`.

    Args:
        name: What to call it, also in files of recipes; it is known in this process.
        function: Takes a text and a `numpy.random.Generator`, and returns a text. All that it
            draws must come from the generator, or runs are not repeatable.
        replace: Whether it may take the place of one that was registered before.

    Raises:
        ValueError: If it is no function, or the name is taken.

    Example:
        >>> register_rewriter("shouted", lambda text, rng: text.upper(), replace=True)
    """
    if not callable(function):
        raise ValueError(f"`function` must be a function of a text, not {function!r}.")
    if not name.isidentifier():
        raise ValueError(f"The `name` of a rewriter must be one word, not {name!r}.")
    if name in REWRITERS and not replace:
        raise ValueError(
            f"The name {name!r} of a rewriter is taken. Choose another, or pass replace=True."
        )
    REWRITERS[name] = function


def get_text_augmentation(name: str | TextAugmentation) -> TextAugmentation:
    """Return a preset by name, or the augmentation that was passed.

    Raises:
        ValueError: If no preset has this name.

    Example:
        >>> get_text_augmentation("typos").noise_fraction
        0.15
    """
    if isinstance(name, TextAugmentation):
        return name
    if not isinstance(name, str) or name not in TEXT_AUGMENTATIONS:
        see = "kerasrecipes.texts.TEXT_AUGMENTATIONS"
        raise unknown_name("augmentation of texts", name, TEXT_AUGMENTATIONS, see)
    return TEXT_AUGMENTATIONS[name]


class Augmenter:
    """Makes views of texts.

    Args:
        augmentation: What may change, and how far.
        tokens: How texts become token ids.
        seed: Seed of the views.

    Raises:
        DataError: If the file of synonyms cannot be used, or the tokenizer has no mask token.
    """

    def __init__(self, augmentation: TextAugmentation, tokens: Tokens, seed: int = 0):
        self._wanted, self._tokens, self._seed = augmentation, tokens, seed
        found = augmentation.synonyms
        self._synonyms: Mapping[str, tuple[str, ...]] = read_synonyms(found) if found else {}
        self._mask = 0
        if augmentation.mask_fraction or augmentation.span_fraction:
            mask = tokens.mask_id
            if mask is None:
                raise DataError(
                    "`mask_fraction` and `span_fraction` need a tokenizer with a mask token, and "
                    "that of this backbone has none. Use `drop_fraction`, which needs none."
                )
            self._mask = mask

    def ids(self, texts: list[str], view: int, longest: int) -> list[np.ndarray]:
        """Return the token ids of one view of texts, int32, one array for each.

        Args:
            texts: All texts of a set, in its order.
            view: Which view, from 1: the first, 0, is the text itself.
            longest: The most tokens of a view.

        Raises:
            DataError: If a function of the user's returns no text.
        """
        draws = [np.random.default_rng([self._seed, i, view]) for i in range(len(texts))]
        changed = [self._each(text, rng) for text, rng in zip(texts, draws, strict=True)]
        coded = self._tokens.with_inner(changed, longest)
        return [self._hidden(*one, rng) for one, rng in zip(coded, draws, strict=True)]

    def _each(self, text: str, rng: np.random.Generator) -> str:
        """Change a text, or both of a pair."""
        if not self._tokens.pairs:
            return self.changed(text, rng)
        first, second = (self.changed(one, rng) for one in parted(text))
        return joined(first, second)

    def changed(self, text: str, rng: np.random.Generator) -> str:
        """Return a text with other words, of which one is always left."""
        wanted = self._wanted
        if wanted.rewrite:
            text = _rewritten(text, rng, wanted.rewrite)
        words = text.split()
        if wanted.synonym_fraction:
            words = [self._synonym(word, rng) for word in words]
        if wanted.drop_fraction:
            kept = rng.random(len(words)) >= wanted.drop_fraction
            words = [word for word, stays in zip(words, kept, strict=True) if stays] or words[:1]
        if wanted.swap_fraction:
            for i in np.flatnonzero(rng.random(max(0, len(words) - 1)) < wanted.swap_fraction):
                words[i], words[i + 1] = words[i + 1], words[i]
        if wanted.noise_fraction:
            words = [
                _with_slip(word, rng) if rng.random() < wanted.noise_fraction else word
                for word in words
            ]
        return " ".join(words)

    def _synonym(self, word: str, rng: np.random.Generator) -> str:
        others = self._synonyms.get(word.strip(".,;:!?").casefold(), ())
        if not others or rng.random() >= self._wanted.synonym_fraction:
            return word
        return str(others[rng.integers(len(others))])

    def _hidden(self, ids: np.ndarray, inner: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Hide tokens of the text, never those around it."""
        wanted, ids = self._wanted, ids.copy()
        if wanted.mask_fraction:
            ids[inner & (rng.random(len(ids)) < wanted.mask_fraction)] = self._mask
        places = np.flatnonzero(inner)
        length = round(wanted.span_fraction * len(places) * rng.uniform(0.5, 1.5))
        if length and len(places) > length:
            # A run lies within one text of a pair.
            within = places[: len(places) - length + 1]
            within = within[[bool(inner[one : one + length].all()) for one in within]]
            if len(within):
                start = int(rng.choice(within))
                ids = np.concatenate([ids[:start], ids[start : start + 1], ids[start + length :]])
                ids[start] = self._mask
        return ids.astype(np.int32)


def _rewritten(text: str, rng: np.random.Generator, name: str) -> str:
    found = REWRITERS[name](text, rng)
    if not isinstance(found, str) or not found.strip():
        raise DataError(
            f"The rewriter {name!r} must return a text, and of {text[:60]!r} it made {found!r}."
        )
    return found


def _with_slip(word: str, rng: np.random.Generator) -> str:
    """Swap two letters of a word, leave one out or double one; the first one stays."""
    if len(word) < _SHORTEST_TYPO or not word.isalpha():
        return word
    i = int(rng.integers(1, len(word) - 1))
    kind = rng.integers(3)
    if kind == 0:
        return word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    return word[:i] + word[i + 1 :] if kind == 1 else word[: i + 1] + word[i:]
