"""Long texts in parts, and one answer from theirs."""

from dataclasses import replace

import numpy as np
import pytest

from kerasrecipes import DataError, chunk_texts, scan_texts, split_texts
from tiny_bert import draw_texts, write_table


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    rows = draw_texts(30, seed=2)
    rows[0] = (rows[0][0], " ".join(f"w{i}" for i in range(12)))
    return scan_texts(write_table(tmp_path_factory.mktemp("long") / "texts.jsonl", rows))


def test_parts_overlap_and_cover_the_text(texts):
    chunks = chunk_texts(texts, words=5, overlap=2)
    place = next(i for i, one in enumerate(texts.texts) if one.text.startswith("w0"))
    own = [chunks.texts.texts[i] for i in np.flatnonzero(chunks.of == place)]
    assert [one.text for one in own] == [
        "w0 w1 w2 w3 w4", "w3 w4 w5 w6 w7", "w6 w7 w8 w9 w10", "w9 w10 w11"
    ]  # fmt: skip
    assert {one.label for one in own} == {texts.texts[place].label}
    assert own[1].name.endswith(", part 2") and len({one.key for one in own}) == 4
    short = [i for i, one in enumerate(texts.texts) if len(one.text.split()) <= 5]
    for i in short:
        (part,) = np.flatnonzero(chunks.of == i)
        assert chunks.texts.texts[part].text == texts.texts[i].text


def test_the_parts_of_a_text_stay_on_one_side(texts):
    chunks = chunk_texts(texts, words=4, overlap=1).texts
    sides = split_texts(chunks, test_fraction=0.3, val_fraction=0.3, near=False)
    groups = [{one.group for one in side.texts} for side in sides]
    assert all(groups) and not groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2]
    known = replace(texts, texts=tuple(replace(one, group="ann") for one in texts.texts))
    assert {one.group for one in chunk_texts(known, words=4, overlap=1).texts.texts} == {"ann"}
    assert chunk_texts(texts, words=50).texts.texts == texts.texts


def test_answers_are_pooled(texts):
    chunks = chunk_texts(texts, words=5, overlap=2)
    answers = np.arange(2.0 * len(chunks.of)).reshape(-1, 2)
    pooled = chunks.pooled(answers)
    assert pooled.shape == (len(texts), 2)
    for i in range(len(texts)):
        np.testing.assert_allclose(pooled[i], answers[chunks.of == i].mean(axis=0))
    with pytest.raises(DataError, match=rf"{len(chunks.of)} parts and 1 answers"):
        chunks.pooled(answers[:1])


@pytest.mark.parametrize(
    "told, message",
    [({"words": 1}, "`words` must be"), ({"words": 9, "overlap": 9}, "below `words`, which is 9")],
)
def test_what_cannot_be_meant_is_refused(texts, told, message):
    with pytest.raises(ValueError, match=message):
        chunk_texts(texts, **told)
