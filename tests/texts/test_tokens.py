"""Tokens: those of the reference, whatever a tokenizer's file or a text says."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from kerasrecipes import DataError
from kerasrecipes.texts.tokens import Tokens, padded
from tiny_bert import VOCABULARY, tiny_tokenizer

TOKENS = Tokens(tiny_tokenizer(), 12)


def words(text: str, tokens: Tokens = TOKENS) -> list[str]:
    return [VOCABULARY[i] for i in tokens.ids([text])[0]]


def test_neither_padding_nor_truncation_of_the_file_is_left():
    assert words("my cards") == ["[CLS]", "my", "card", "##s", "[SEP]"]
    assert len(words("my " * 30, Tokens(tiny_tokenizer(), 30))) == 30
    assert words("my " * 30)[-1] == "[SEP]" and len(words("my " * 30)) == 12


def test_accents_and_case_are_stripped_as_the_weights_know_it():
    assert words("CAFÉ") == words("cafe\u0301") == ["[CLS]", "cafe", "[SEP]"]


@pytest.mark.parametrize("special", ["[SEP]", "[PAD]", "[MASK]", "[CLS]"])
def test_a_text_cannot_say_where_it_ends(special):
    inside = words(f"my {special} card")[1:-1]
    assert special not in inside and inside[0] == "my" and inside[-1] == "card"


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_token_for_token_the_reference(text):
    from tokenizers import Tokenizer

    reference = Tokenizer.from_str(tiny_tokenizer())
    reference.no_padding()
    reference.enable_truncation(12)
    reference.encode_special_tokens = True
    found = TOKENS.ids([text])[0]
    assert found.tolist() == reference.encode(text).ids and found.dtype == np.int32
    assert 0 not in found  # zero is padding, and nothing else


def test_long_texts_are_counted_and_quick():
    lengths = TOKENS.lengths(["my card", "my " * 50])
    assert lengths.tolist() == [4, 52]
    assert len(TOKENS.ids(["my " * 1_000_000])[0]) == 12


def test_padding_and_what_cannot_be_read():
    assert padded([]).shape == (0, 1)
    assert TOKENS.vocabulary() == list(VOCABULARY)
    assert Tokens.from_dict(TOKENS.to_dict()) == TOKENS and "vocab" not in repr(TOKENS)
    with pytest.raises(DataError, match="The tokenizer cannot be read"):
        Tokens("{}", 12).ids(["my"])
    with pytest.raises(DataError, match="prepared by a tokenizer and max_tokens, not by"):
        Tokens.from_dict({"words": 1})
