"""Which words matter: those by which topics were drawn, and the answer goes with them."""

import json

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes import DataError, TextExplainer
from tiny_bert import TOPICS, draw_texts, write_table

TEXT = "please help my Transfer! is pending"


@pytest.fixture(scope="module", params=["occlusion", "gradients"])
def explainer(request, text_fitted):
    return TextExplainer(text_fitted, request.param)


def test_the_words_of_the_topic_matter_most(explainer, ticket_sets):
    named = {word for words in TOPICS.values() for word in words}
    values = {True: [], False: []}
    for one in explainer.explain_all(ticket_sets[2]):
        for word, value in zip(one.words, one.values, strict=True):
            values[word in named].append(value)
    assert np.mean(values[True]) > 0.1 > 4 * np.mean(values[False])
    found = explainer.explain(TEXT)
    assert found.label == "money" and found.words == tuple(TEXT.split())
    assert "Transfer!" in str(found) and found.to_dict()["words"][5][0] == "pending"
    # The same words speak against another class.
    other, place = explainer.explain(TEXT, "card"), int(found.values.argmax())
    assert other.label == "card" and other.score < found.score
    assert other.values[place] < found.values[place]


def test_gradients_add_up_to_the_score(text_fitted, tmp_path):
    explainer = TextExplainer(text_fitted, "gradients")
    found, tokens = explainer.explain(TEXT), explainer._tokens
    read = tokens.split(TEXT)
    silent = explainer._scores(tokens.hidden(read, range(6))[None])[0]
    expected = found.score - silent[text_fitted.labels_.index(found.label)]
    assert found.values.sum() == pytest.approx(expected, abs=0.02)
    text_fitted.model_.save(tmp_path / "whole.keras")  # the graph was cut elsewhere


def test_hiding_a_word_is_hiding_it(text_fitted):
    """What a score falls by is what the model says of the text without the word."""
    explainer = TextExplainer(text_fitted)
    found, tokens = explainer.explain(TEXT), explainer._tokens
    read = tokens.split(TEXT)
    assert read.of.tolist() == [-1, 0, 1, 2, 3, 3, 4, 5, -1]  # a word and its "!"
    without = tokens.hidden(read, [3])
    assert (without != read.ids).tolist() == (read.of == 3).tolist()
    answer = text_fitted.labels_.index(found.label)
    left = text_fitted.model_.predict_on_batch(without[None])[0, answer]
    assert found.values[3] == pytest.approx(found.score - left, abs=1e-5)


def test_it_is_measured_by_deletion(explainer, ticket_sets):
    texts = ticket_sets[2]
    found = explainer.measure(texts)
    assert found.n == sum(len(one.text.split()) >= 3 for one in texts.texts)
    assert found.named > 2 * found.drawn and found.difference[0] > 0
    assert "So the words that are named matter." in str(found)
    assert found.to_dict()["n"] == found.n
    nothing = type(found).of(np.zeros(9), np.zeros(9), 0.2, "occlusion", None)
    assert "it is not shown that the words" in str(nothing)


def test_what_cannot_be_explained_is_told(text_fitted, ticket_sets, exported_once):
    explainer = TextExplainer(text_fitted)
    with pytest.raises(DataError, match="has no words that could matter"):
        explainer.explain(" \u200b ")
    with pytest.raises(ValueError, match="Unknown class 'cards'. Did you mean 'card'"):
        explainer.explain(TEXT, "cards")
    with pytest.raises(ValueError, match="its number from 0 to 2, not 3"):
        explainer.explain(TEXT, 3)
    with pytest.raises(ValueError, match="`share` must be between 0 and 1"):
        explainer.measure(ticket_sets[2], share=1)
    with pytest.raises(DataError, match="too few to measure by"):
        explainer.measure(ticket_sets[2].select([0]))
    with pytest.raises(DataError, match="this model takes photos. Use kerasrecipes.Explainer"):
        TextExplainer(exported_once.folder)
    with pytest.raises(DataError, match="must be a saved model, its folder or a fitted recipe"):
        TextExplainer(kr.TextClassifier())
    with pytest.raises(DataError, match="TextExplainer tells which words matter"):
        kr.Explainer(text_fitted)


def test_on_the_command_line(text_bundle, tmp_path, capsys):
    from kerasrecipes.cli import main

    with pytest.raises(SystemExit) as end:
        main(["explain", str(text_bundle.folder), TEXT, "--to", str(tmp_path / "pictures")])
    assert end.value.code == 2 and "there are no pictures" in capsys.readouterr().err
    table = write_table(tmp_path / "new.jsonl", draw_texts(20, seed=5))
    (tmp_path / "one.txt").write_text("lost pin", encoding="utf-8")
    with pytest.raises(SystemExit) as end:
        main(["explain", str(text_bundle.folder), TEXT, str(tmp_path / "one.txt"), str(table),
              "--json"])  # fmt: skip
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert not end.value.code and len(lines) == 23
    assert [one["label"] for one in lines[:2]] == ["money", "card"]
    assert lines[-1]["n"] == 20 and lines[-1]["difference"][0] > 0
    strongest = [max(one["words"], key=lambda word: word[1])[0] for one in lines[2:22]]
    assert sum(word in {w for topic in TOPICS.values() for w in topic} for word in strongest) > 16
