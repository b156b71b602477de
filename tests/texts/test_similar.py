"""Near duplicates: every pair above the threshold, and no other."""

from itertools import combinations

import pytest
from hypothesis import given, settings, strategies as st

from kerasrecipes.texts.similar import near_duplicates, plain


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


def test_case_accents_and_signs_say_nothing():
    assert near_duplicates(["Café, naïve!", "x", "cafe NAIVE"]) == [(0, 2)]
    assert near_duplicates(["!!!", "???"]) == []
    with pytest.raises(ValueError, match="`threshold` must be above 0"):
        near_duplicates(["a"], 0)
