"""Pairs of texts: two columns become one text, and token ids with two segments, to the file."""

import json

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes import DataError, TextClassifier, UnfreezeSchedule
from kerasrecipes.export.tflite.runtime import _DERIVED
from kerasrecipes.texts.pairs import joined, parted
from kerasrecipes.texts.tokens import Tokens
from tiny_bert import draw_texts, tiny_bert, tiny_tokenizer, write_table

COLUMNS = ("label", "question", "answer")


def rows_of(count, seed=0):
    """Draw pairs whose first text says the topic, and whose second says nothing."""
    return [(topic, text, "please help today") for topic, text in draw_texts(count, seed)]


def reference(texts, longest):
    """Encode by the package itself, with its own ids of segments."""
    from tokenizers import Tokenizer

    engine = Tokenizer.from_str(tiny_tokenizer())
    engine.no_padding()
    engine.enable_truncation(longest)
    engine.encode_special_tokens = True
    return engine.encode_batch([parted(text) for text in texts])


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_table(tmp_path_factory.mktemp("pairs") / "pairs.jsonl", rows_of(60), COLUMNS)


@pytest.fixture(scope="module")
def bundle(pairs, tmp_path_factory):
    """A saved and exported classifier of pairs, that learned from a table."""
    done = kr.fine_tune_texts(
        pairs, tmp_path_factory.mktemp("models") / "pairs", text=("question", "answer"),
        backbone=tiny_bert(), schedule=UnfreezeSchedule.head_only(6, 0.03), batch_size=16,
        out_of_scope=0.2, verbose=False,
    )  # fmt: skip
    done.bundle.export()
    return done.bundle


def test_two_columns_are_named_or_known(pairs, tmp_path):
    texts = kr.scan_texts(pairs, text=("question", " Answer "))
    assert texts.pairs and parted(texts.texts[0].text)[1] == "please help today"
    known = tmp_path / "nli.tsv"
    known.write_text(
        "premise\thypothesis\tlabel\nit is here\tit is there\tno\nit\t\tyes\nso\tso\tyes\n"
    )
    found = kr.scan_texts(known, for_training=False, max_unreadable_fraction=0.5)
    assert found.pairs and [one.text for one in found.texts] == [
        "it is here\tit is there", "so\tso"
    ]  # fmt: skip
    assert [one.row for one in found.excluded] == [3]
    assert found.is_of(found.texts[0], {"a": "it is there", "b": "it is here"})
    assert not found.is_of(found.texts[0], {"a": "it is there", "b": "it"})
    one = kr.scan_texts(known, text="premise", for_training=False)
    assert not one.pairs and len(one) == 3
    assert joined("a\tb", "c") == "a b\tc"
    with pytest.raises(DataError, match="no column 'answr'.*Did you mean 'answer'"):
        kr.scan_texts(pairs, text=("question", "answr"))
    for wrong in (("question", "question"), ("a", "b", "c"), ()):
        with pytest.raises(ValueError, match="two different ones for pairs"):
            kr.scan_texts(pairs, text=wrong)


def test_ids_and_segments_are_those_of_the_reference():
    long = "pin " * 40
    texts = ["card\tmy pin", "is it [SEP] not\tthe fee", "x\ty", f"{long}\tcode", f"a\t{long}"]
    tokens = Tokens(tiny_tokenizer(), 20, pairs=True)
    backbone = tiny_bert().build(weights=None)
    import keras

    from kerasrecipes.texts.tokens import padded

    segments = keras.Model(backbone.input, backbone.get_layer("segment_ids").output)
    ids = tokens.ids(texts)
    found = segments.predict_on_batch(padded(ids))
    for one, row, expected in zip(ids, found, reference(texts, 20), strict=True):
        assert one.tolist() == expected.ids
        assert row[: len(one)].tolist() == expected.type_ids and not row[len(one) :].any()
        assert _DERIVED["segment_ids"](one[None])[0].tolist() == expected.type_ids
    single = Tokens(tiny_tokenizer(), 20).ids(["my card is lost"])[0]
    assert not segments.predict_on_batch(single[None]).any()
    assert not _DERIVED["segment_ids"](single[None]).any()
    assert Tokens.from_dict(tokens.to_dict()) == tokens
    assert tokens.lost(texts).tolist() == [[0, 0], [0, 0], [0, 0], [24, 0], [0, 24]]
    for wrong in ("card", "a\tb\tc", "a\t "):
        with pytest.raises(DataError, match="is no pair: write two texts with a tab"):
            tokens.ids([wrong])


def test_a_tokenizer_that_parts_no_pairs_is_refused(pairs):
    told = json.loads(tiny_tokenizer())
    told["post_processor"]["pair"] = [
        one for one in told["post_processor"]["pair"] if "[SEP]" not in json.dumps(one)
    ]
    backbone = tiny_bert(tokenizer=lambda: json.dumps(told))
    texts = kr.scan_texts(pairs, text=("question", "answer"))
    with pytest.raises(DataError, match="puts no token between two texts"):
        TextClassifier(backbone).prepared(texts, backbone)


def test_what_is_cut_of_either_is_told(pairs, capsys):
    texts = kr.scan_texts(pairs, text=("question", "answer"))
    TextClassifier(max_tokens=6).prepared(texts, tiny_bert())
    told = capsys.readouterr().err
    assert "60 of 60 pairs of texts are longer than `max_tokens`=6 and lose their end of" in told
    assert "and of the second in 60 ('row 1'" in told and "chunk_texts" not in told
    with pytest.raises(DataError, match="lack what it is compared with"):
        kr.chunk_texts(texts)
    with pytest.raises(DataError, match="one has pairs of texts, and the other single"):
        TextClassifier(tiny_bert()).fit(texts, kr.scan_texts(pairs, text="question"))


def test_views_change_both_texts_and_nothing_between(pairs):
    texts = kr.scan_texts(pairs, text=("question", "answer"))
    for augment in ("words", "spans", "light", "typos"):
        ready = TextClassifier(augment=augment).prepared(texts, tiny_bert())
        views = ready.reader(None, augment, 0).view(1)
        assert any(a.tolist() != b.tolist() for a, b in zip(views, ready.ids(), strict=True))
        assert all((one == 3).sum() == 2 and one[-1] == 3 and one[0] == 2 for one in views)


def test_it_answers_alike_in_keras_and_in_the_file(bundle, pairs):
    recipe = kr.load_recipe(bundle.folder)
    test = bundle.scan(pairs, text=("question", "answer"))
    answers = recipe.predict(test)
    predictor = kr.Predictor(bundle.folder)
    found = list(predictor.predict([parted(one.text) for one in test.texts[:5]]))
    names = recipe.labels_
    for one, row in zip(found, answers, strict=False):
        np.testing.assert_allclose([one.scores[name] for name in names], row, atol=0.02)
        assert one.is_new == (one.novelty >= predictor.others[0].thresholds[0])
    (again,) = predictor.predict(test.texts[0].text)
    assert again == found[0]
    first, second = parted(test.texts[0].text)
    (turned,) = predictor.predict([(second, first)])
    assert turned.scores != found[0].scores
    wrong = list(predictor.predict(["card", ("a", "b", "c")]))
    assert "is no pair" in wrong[0].error and "A pair must be two texts" in wrong[1].error
    assert bundle.input.preparation["pairs"] is True
    with pytest.raises(DataError, match="reads pairs of texts, and these are single texts"):
        bundle.scan(pairs, text="question")


def test_words_of_both_are_explained(bundle):
    found = kr.TextExplainer(bundle).explain("card lost\tplease help pin")
    assert found.words == ("card", "lost", "please", "help", "pin")


def test_the_command_line_reads_two_columns(bundle, pairs, tmp_path, capsys):
    from kerasrecipes.cli import main

    def run(*words):
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in words])
        assert not end.value.code, capsys.readouterr().err
        return capsys.readouterr().out

    two = ("--text", "question,answer")
    assert "12 texts right" in run("evaluate", bundle.folder, pairs, *two)
    said = run("predict", bundle.folder, pairs, *two, "--format", "jsonl")
    assert len(said.splitlines()) == 60
    recipe = tmp_path / "recipe.toml"
    run("init", pairs, "--recipe", "text_classification", *two, "--to", recipe)
    assert 'text = ["question", "answer"]' in recipe.read_text()


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (["text", "premise", "hypothesis"], "'text', 'premise,hypothesis'"),
        (["text_a", "text_b", "text1", "text2"], "'text_a,text_b', 'text1,text2'"),
    ],
)
def test_a_table_with_several_columns_of_texts_asks_for_a_choice(tmp_path, columns, told):
    rows = [",".join([*columns, "label"])]
    rows += [",".join([*(f"{one} {i}" for one in columns), "ab"[i % 2]]) for i in range(4)]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    with pytest.raises(DataError, match=f"could hold texts: {told}. Name one by text="):
        kr.scan_texts(tmp_path / "t.csv")
    found = kr.scan_texts(tmp_path / "t.csv", text=tuple(columns[:2]))
    assert found.items[0].text == f"{columns[0]} 0\t{columns[1]} 0"
