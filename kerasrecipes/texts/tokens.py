"""How a text becomes token ids: by the tokenizer that the weights were trained with.

It is the reference implementation of the package `tokenizers`, without torch, tensorflow or a
network, and travels with the model.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.errors import DataError, require
from kerasrecipes.texts.pairs import BETWEEN, parted

# Characters of a text that can matter for a token: no word of a language has as many, and reading
# more of a book takes seconds, though its end is cut off.
CHARACTERS_PER_TOKEN = 200
PADDING = 0


@dataclass(frozen=True)
class Tokens:
    """How a text becomes token ids.

    Args:
        tokenizer: The tokenizer, as the JSON text of the package `tokenizers`.
        max_tokens: The most tokens of a text that are read, those around it included; what is
            longer loses its end.
        pairs: Whether texts are pairs, see `kerasrecipes.texts.pairs`. Where one is too long, the
            longer of its texts loses its end first.

    Raises:
        DataError: If the tokenizer cannot be read.
        MissingDependencyError: If the package `tokenizers` is not installed.
    """

    tokenizer: str = field(repr=False)
    max_tokens: int
    pairs: bool = False

    @classmethod
    @named
    def from_dict(cls, told: Mapping[str, Any]) -> "Tokens":
        """Build it from what `to_dict` returned.

        Raises:
            DataError: If it says what this version does not know.
        """
        known = set(told) - {"pairs"} == {"tokenizer", "max_tokens"}
        if not known or not isinstance(told["tokenizer"], str):
            raise DataError(
                f"Texts are prepared by a tokenizer and max_tokens, not by {sorted(told)}. Upgrade "
                "kerasrecipes, or save the model again."
            )
        return cls(told["tokenizer"], told["max_tokens"], bool(told.get("pairs")))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values for JSON."""
        pairs = {"pairs": True} if self.pairs else {}
        return {"tokenizer": self.tokenizer, "max_tokens": self.max_tokens, **pairs}

    def ids(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return the token ids of texts, those around each included.

        Strings of special tokens in a text, such as `"[SEP]"`, are read as what they are: text.

        Args:
            texts: Texts that are valid Unicode.

        Returns:
            int32, one array for each.

        Raises:
            DataError: If one is to be a pair and is none.
        """
        found = self._engine.encode_batch(self._clipped(texts))
        return [np.array(one.ids, dtype=np.int32) for one in found]

    def _clipped(self, texts: Sequence[str]) -> "list[str] | list[tuple[str, str]]":
        longest = CHARACTERS_PER_TOKEN * self.max_tokens
        if not self.pairs:
            return [text[:longest] for text in texts]
        return [(first[:longest], second[:longest]) for first, second in map(parted, texts)]

    def with_inner(self, texts: Sequence[str], longest: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the token ids of texts, and which of them are of the text itself.

        Args:
            texts: Texts that are valid Unicode.
            longest: The most tokens of each; what is longer loses its end.

        Returns:
            int32 and bool, of one shape for each text.
        """
        given = list(map(parted, texts)) if self.pairs else list(texts)
        found = _loaded(self.tokenizer, longest).encode_batch(given)
        return [
            (np.array(one.ids, np.int32), np.array(one.special_tokens_mask) == 0) for one in found
        ]

    def split(self, text: str) -> "SplitText":
        """Return the words of a text, between blanks, and which tokens are theirs.

        Args:
            text: A text; words behind the last token that is read are left out.
        """
        (given,) = self._clipped([text])
        found = self._engine.encode(*given) if self.pairs else self._engine.encode(given)
        # Where each text of a pair begins.
        begins = (0, text.find(BETWEEN) + 1)
        spans = [match.span() for match in re.finditer(r"\S+", text)]
        starts = np.array([start for start, _ in spans], dtype=np.int64)
        of = np.full(len(found.ids), -1, np.int64)
        for place, (offsets, which) in enumerate(
            zip(found.offsets, found.sequence_ids, strict=True)
        ):
            if which is not None:
                start = begins[which] + offsets[0]
                of[place] = np.searchsorted(starts, start, side="right") - 1
        read, of[of >= 0] = np.unique(of[of >= 0], return_inverse=True)
        words = tuple(text[slice(*spans[i])] for i in read)
        return SplitText(np.array(found.ids, np.int32), words, of)

    def hidden(self, read: "SplitText", words: Iterable[int]) -> np.ndarray:
        """Return the token ids of a text, int32, with words hidden.

        Behind the mask token, or, where there is none, that of what is not known.

        Args:
            read: What `split` returned.
            words: The numbers of the words.
        """
        cover = self.mask_id
        if cover is None:
            unknown = (self._engine.token_to_id(name) for name in ("[UNK]", "<unk>"))
            cover = next((one for one in unknown if one is not None), PADDING)
        return np.where(np.isin(read.of, list(words)), cover, read.ids).astype(np.int32)

    def readable(self, ids: np.ndarray) -> str:
        """Return tokens as people read them, without those around the text.

        Args:
            ids: Of one text, at least two.
        """
        return str(self._engine.decode(ids[1:-1].tolist(), skip_special_tokens=False))

    def normalized(self, text: str) -> str:
        """Return a text as its words are looked up, e.g. in lower case and without accents."""
        return str(self._engine.normalizer.normalize_str(text))

    def parts(self, text: str) -> list[str]:
        """Return the words and the punctuation of a text that is normalized."""
        return [part for part, _ in self._engine.pre_tokenizer.pre_tokenize_str(text)]

    @cached_property
    def mask_id(self) -> int | None:
        """The id of the token that hides another one; `None` where there is none."""
        known = [self._engine.token_to_id(name) for name in ("[MASK]", "<mask>")]
        return next((one for one in known if one is not None), None)

    def lengths(self, texts: Sequence[str]) -> np.ndarray:
        """Return how many tokens texts have in all, int64; more than `max_tokens` are cut."""
        found = _loaded(self.tokenizer, None).encode_batch(self._clipped(texts))
        return np.array([len(one.ids) for one in found], dtype=np.int64)

    def lost(self, texts: Sequence[str]) -> np.ndarray:
        """Return how many tokens `max_tokens` takes from the first and second text of pairs.

        Args:
            texts: Pairs.

        Returns:
            int64, shape `(n, 2)`.
        """
        given = self._clipped(texts)
        whole, cut = (
            np.array([[one.sequence_ids.count(which) for which in (0, 1)] for one in found])
            for found in (
                _loaded(self.tokenizer, longest).encode_batch(given)
                for longest in (None, self.max_tokens)
            )
        )
        return (whole - cut).astype(np.int64).reshape(-1, 2)

    def check_pairs(self) -> None:
        """Refuse a tokenizer that does not tell the two texts of a pair apart.

        What parts them must be the token that ends both, as in BERT: by it models know which text
        a token is of.

        Raises:
            DataError: If it does not.
        """
        found = self._engine.encode("a", "b")
        ids, of = found.ids, found.type_ids
        parts = [sum(one == ids[-1] for one in ids[:place]) for place in range(len(ids))]
        if not found.special_tokens_mask[-1] or of != [min(one, 1) for one in parts]:
            raise DataError(
                "The tokenizer of this backbone puts no token between two texts, or does not end "
                "by it, so that a model could not tell them apart. Use 'minilm', or write each "
                "pair into one column of texts."
            )

    def vocabulary(self) -> list[str]:
        """Return all tokens, in the order of their ids."""
        known = self._engine.get_vocab(with_added_tokens=True)
        return sorted(known, key=known.__getitem__)

    @cached_property
    def word_pieces(self) -> bool:
        """Whether texts are split as BERT does: lower-cased words, of which ends begin with ##."""
        told = json.loads(self.tokenizer)
        model, normalizer = told.get("model") or {}, told.get("normalizer") or {}
        found = (
            model.get("type"),
            model.get("continuing_subword_prefix"),
            normalizer.get("type"),
            normalizer.get("lowercase"),
        )
        return found == ("WordPiece", "##", "BertNormalizer", True)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the tokenizer, as hex digits."""
        return hashlib.sha256(self.tokenizer.encode()).hexdigest()

    @property
    def _engine(self) -> Any:
        return _loaded(self.tokenizer, self.max_tokens)


class SplitText(NamedTuple):
    """A text as a model reads it.

    Args:
        ids: Its token ids, int32, shape `(tokens,)`.
        words: Its words.
        of: The number of the word that each token is of, int64; -1 for tokens around the text.
    """

    ids: np.ndarray
    words: tuple[str, ...]
    of: np.ndarray


@lru_cache(maxsize=4)
def _loaded(text: str, max_tokens: int | None) -> Any:
    """Open a tokenizer, with the switches that its file may have left in another place."""
    tokenizers = require("tokenizers", "text", "Reading texts")
    try:
        found = tokenizers.Tokenizer.from_str(text)
        found.no_padding()
        found.no_truncation()
        if max_tokens is not None:
            found.enable_truncation(max_tokens)
    except Exception as error:  # the package raises bare exceptions
        raise DataError(
            f"The tokenizer cannot be read: {str(error)[:200]}. Save the model again."
        ) from error
    # Otherwise a text could say where it ends.
    found.encode_special_tokens = True
    return found


def padded(ids: Sequence[np.ndarray]) -> np.ndarray:
    """Put token ids of different lengths into one array, with zeros behind them.

    Args:
        ids: int32, one array for each text.

    Returns:
        int32, shape `(texts, longest)`.

    Example:
        >>> padded([np.array([5, 6]), np.array([7])]).tolist()
        [[5, 6], [7, 0]]
    """
    longest = max((len(one) for one in ids), default=1)
    rows = np.full((len(ids), longest), PADDING, np.int32)
    for row, one in zip(rows, ids, strict=True):
        row[: len(one)] = one
    return rows
