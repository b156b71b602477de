"""Near duplicates: every pair above the threshold, and no other."""

from itertools import combinations
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from kerasrecipes.texts import similar
from kerasrecipes.texts.similar import near_duplicates, plain

SCRIPTS = ((97, 123), (0x3B1, 0x3C9), (0x4E00, 0x4E40), (0x20000, 0x20040))


def share(a: str, b: str) -> float:
    """The definition, pair by pair."""
    pieces = [{t[i : i + 4] for i in range(max(1, len(t) - 3))} for t in (plain(a), plain(b))]
    return len(pieces[0] & pieces[1]) / len(pieces[0] | pieces[1])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text("ab c", max_size=14), max_size=8, unique_by=plain),
    st.sampled_from((0.3, 0.6, 0.85, 1.0)),
)
def test_the_search_finds_what_the_definition_says(texts, threshold):
    expected = [
        (i, j)
        for i, j in combinations(range(len(texts)), 2)
        if plain(texts[i]) and plain(texts[j]) and share(texts[i], texts[j]) >= threshold
    ]
    assert near_duplicates(texts, threshold) == expected
    similar._similar.cache_clear()
    with patch.multiple(similar, _CHARACTERS=9, _TOGETHER=2):
        assert near_duplicates(texts, threshold) == expected


def test_long_texts_in_any_script_are_found_as_the_definition_says():
    rng = np.random.default_rng(0)
    words = ["".join(map(chr, rng.integers(*span, 5))) for span in SCRIPTS for _ in range(60)]
    texts = [" ".join(rng.choice(words, rng.integers(1, 90))) for _ in range(60)]
    for text in texts[:40]:
        changed = text.split()
        for place in rng.integers(len(changed), size=rng.integers(1, 1 + len(changed) // 9 + 1)):
            changed[place] = words[rng.integers(len(words))]
        texts.append(" ".join(changed))
    shares = {(i, j): share(texts[i], texts[j]) for i, j in combinations(range(len(texts)), 2)}
    for threshold in (0.5, 0.85, 0.95):
        expected = [pair for pair, found in shares.items() if found >= threshold]
        assert near_duplicates(texts, threshold) == sorted(expected)
        assert 0 < len(expected) < 45  # copies, and no others


def test_few_of_the_pairs_of_texts_with_common_words_are_compared(monkeypatch):
    rng, compared, in_common = np.random.default_rng(0), [], similar._in_common
    monkeypatch.setattr(
        similar, "_in_common", lambda *a: compared.append(a[0][1][-1] + 1) or in_common(*a)
    )
    words = ["".join(rng.choice(list("abcdef"), 6)) for _ in range(300)]
    texts = [" ".join(rng.choice(words, 40)) for _ in range(400)]
    assert near_duplicates([*texts, texts[0] + " more"]) == [(0, 400)]
    assert sum(compared) < 20  # of 80,200


def test_case_accents_and_signs_say_nothing():
    assert near_duplicates(["Café, naïve!", "x", "cafe NAIVE"]) == [(0, 2)]
    assert near_duplicates(["!!!", "???"]) == []
    with pytest.raises(ValueError, match="`threshold` must be above 0"):
        near_duplicates(["a"], 0)
