"""A recipe for texts: fitted by the same engine, saved, loaded, exported, and refused in time."""

import json
import subprocess
import sys

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes import DataError, TextClassifier, UnfreezeSchedule
from kerasrecipes.settings.judging import judge_recipe
from kerasrecipes.training.texts.baseline import compare_with_baseline
from kerasrecipes.verify import Verification
from tiny_bert import draw_texts, tiny_bert, write_table


def test_it_learns_and_says_of_what(text_fitted, ticket_sets):
    evaluation = text_fitted.report_.evaluations["test"]
    assert evaluation.accuracy.value > 0.85
    assert "texts right" in str(evaluation) and "photo" not in str(evaluation)
    assert "photo" not in str(text_fitted.report_)
    head, top = text_fitted.report_.stages
    assert head.trainable_parameters < top.trainable_parameters < top.total_parameters


def test_of_few_texts_the_best_linear_model_is_the_answer(ticket_sets, capsys):
    train, val, test = ticket_sets
    recipe = TextClassifier(tiny_bert())
    report = recipe.fit(train, val)
    assert not report.stages and len(report.choices) == 3
    assert f"No block was opened: {len(val)} validation texts" in report.choices[1]
    assert recipe.evaluate(test).accuracy.value > 0.85
    assert "photo" not in "".join(capsys.readouterr())


def test_padding_changes_no_answer(text_fitted, ticket_sets):
    """The ids of a batch, padded further, one by one, and in another order: the same."""
    test = ticket_sets[2]
    answers = text_fitted.predict(test)
    model, prepared = text_fitted.model_, text_fitted._as_fitted(test)
    alone = np.concatenate([model.predict_on_batch(one[None]) for one in prepared.ids()])
    wide = np.pad(prepared.stack((None,)), ((0, 0), (0, 9)))
    np.testing.assert_allclose(alone, answers, atol=1e-5)
    np.testing.assert_allclose(model.predict_on_batch(wide), answers, atol=1e-5)
    backwards = test.select(range(len(test) - 1, -1, -1))
    np.testing.assert_allclose(text_fitted.predict(backwards)[::-1], answers, atol=1e-5)


def test_what_is_cached_at_a_cut_is_what_the_frozen_blocks_give(text_fitted, ticket_sets):
    """Stored as long as the longest text, and fed as long as the longest of a batch."""
    import keras

    from kerasrecipes.data.batches import index_batches
    from kerasrecipes.engine.frozen.prefix_cache import PrefixCache, feed_of

    model, reader = text_fitted.model_, text_fitted._as_fitted(ticket_sets[2]).reader(None)
    cut = tiny_bert().boundary(model, 2)
    frozen = keras.Model(model.input, [cut])
    cache = PrefixCache(frozen, reader, 1, dtype="float32")
    cache.fill()
    count, sizes = len(reader.examples), reader.sizes
    assert cache.stored[0].shape == (1, count, sizes.max(), 32)
    order = index_batches(count, 8, 0, range(1), 1, sizes)
    seen = []
    for (index, _, fed), (_, _, ids) in zip(
        feed_of(cache.stored[0], free=True)(order), reader.batches(order), strict=True
    ):
        assert fed.shape[1] == sizes[index].max() == ids.shape[1]
        (given,) = keras.tree.flatten(frozen.predict_on_batch(ids.numpy()))
        np.testing.assert_allclose(fed, given, atol=1e-5)
        seen += index.numpy().tolist()
    assert sorted(seen) == list(range(count))
    # Texts of a batch are of one length, nearly.
    assert (sizes[seen[:8]].max() - sizes[seen[:8]].min()) <= 2


def test_saved_and_loaded_it_is_the_same(text_fitted, text_bundle, ticket_sets):
    test = ticket_sets[2]
    loaded = kr.load_recipe(text_bundle.folder)
    assert isinstance(loaded, TextClassifier)
    np.testing.assert_allclose(loaded.predict(test), text_fitted.predict(test), atol=1e-6)
    assert loaded.fitted_.input == text_fitted.fitted_.input
    assert json.loads((text_bundle.folder / "tokenizer.json").read_bytes())["model"]
    told = json.loads((text_bundle.folder / "bundle.json").read_bytes())["input"]
    assert told["preparation"]["tokenizer"] == {"file": "tokenizer.json"}
    assert not (text_bundle.folder / "calibration.npz").exists()
    assert "photo" not in (text_bundle.folder / "report.html").read_text(encoding="utf-8")


def test_a_changed_tokenizer_is_noticed(text_bundle, tmp_path):
    import shutil

    folder = tmp_path / "1"
    shutil.copytree(text_bundle.folder, folder)
    path = folder / "tokenizer.json"
    path.write_bytes(path.read_bytes().replace(b'"card"', b'"crad"'))
    with pytest.raises(kr.IntegrityError, match="changed: 'tokenizer.json'"):
        kr.Predictor(folder)


def test_the_file_takes_any_length_and_named_inputs(text_bundle):
    from ai_edge_litert.interpreter import Interpreter

    (record,) = text_bundle.exports().values()
    assert record.name == "tflite-dynamic"
    assert Verification.from_dict(record.verification).passed
    runner = Interpreter(str(record.path)).get_signature_runner()
    taken = runner.get_input_details()
    assert {name: list(told["shape_signature"]) for name, told in taken.items()} == {
        "ids": [1, -1], "mask": [1, -1], "segment_ids": [1, -1]
    }  # fmt: skip
    assert {told["dtype"] for told in taken.values()} == {np.int32}


def test_a_lone_file_answers_without_tensorflow(text_bundle, tmp_path):
    """Also what a text of one word, of many, and of none is."""
    (record,) = text_bundle.exports().values()
    lone = tmp_path / "lone.tflite"
    lone.write_bytes(record.path.read_bytes())
    (tmp_path / "letter.txt").write_text("please refund my fee", encoding="utf-8")
    code = (
        "import sys, pathlib, kerasrecipes as kr\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "told = ['stolen card', 'my card ' * 30, ' ', folder / 'letter.txt', folder, '\\ud800']\n"
        "for one in kr.Predictor(folder / 'lone.tflite').predict(told):\n"
        "    print(one.label or one.error)\n"
        "assert not {'tensorflow', 'keras', 'tensorflow_text', 'torch'} & sys.modules.keys()\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, second, blank, letter, found, broken = done.stdout.splitlines()
    assert (first, second, letter, found) == ("card", "card", "money", "money")
    assert blank == "'the text' is blank." and "not valid UTF-8" in broken


@pytest.mark.parametrize(
    "quantization, why", [("int8", "attention masks what is no token"), ("int4", "4 bits")]
)
def test_roundings_that_destroy_it_are_refused(text_bundle, quantization, why):
    with pytest.raises(ValueError, match=f"cannot be had of a model for texts: .*{why}"):
        text_bundle.export(quantization=quantization)


def test_evaluation_of_a_bundle_leaves_out_what_it_learned_from(text_bundle, tickets):
    found = kr.evaluate_bundle(text_bundle, tickets)
    assert found.left_out == 90 and found.evaluation.n == 30
    assert "90 texts are left out" in str(found)
    assert not [one.failures for one in kr.verify_bundle(text_bundle) if one.failures]


@pytest.mark.parametrize(
    "settings, told",
    [
        ({"max_tokens": 65}, "`max_tokens` must be a whole number between 4 and 64"),
        ({"mix": "cutmix"}, "`mix='cutmix'` cannot be used for texts"),
        ({"batch_norm": "reestimate"}, "`batch_norm` cannot be used for texts"),
        ({"devices": 2}, "`devices` cannot be used for texts"),
        ({"rematerialise": True}, "`rematerialise` cannot be used for texts"),
        ({"stochastic_depth": 0.1}, "`stochastic_depth` cannot be used for texts"),
        ({"backbone": "efficientnet_lite0"}, "reads photos, and texts are to be read"),
        ({"backbone": "minilm_l6"}, "Did you mean 'minilm'"),
    ],
)
def test_settings_that_texts_have_no_use_for_are_refused(settings, told, ticket_sets):
    recipe = TextClassifier(**{"backbone": tiny_bert(), **settings})
    with pytest.raises(ValueError, match=told):
        recipe.fit(*ticket_sets[:2])


def test_photos_and_texts_are_not_mixed_up(ticket_sets, part_sets):
    with pytest.raises(DataError, match="learns from texts, and these are photos"):
        TextClassifier(tiny_bert()).fit(*part_sets[:2])
    with pytest.raises(ValueError, match="'minilm' reads texts, and photos are to be read"):
        kr.ImageClassifier("minilm").fit(*part_sets[:2])
    with pytest.raises(DataError, match="not prepared for a model"):
        ticket_sets[0].ids()


def test_texts_that_are_cut_are_told(ticket_sets, capsys):
    recipe = TextClassifier(tiny_bert(), max_tokens=6)
    recipe.prepared(ticket_sets[0], tiny_bert())
    told = capsys.readouterr().err
    assert "texts are longer than `max_tokens`=6 and lose their end ('row " in told


def test_texts_that_are_cut_are_told_beside_what_they_are_measured_by(text_bundle, tmp_path):
    rows = draw_texts(30, seed=6)
    rows[3] = (rows[3][0], f"{rows[3][1]} {'please ' * 30}")
    table = write_table(tmp_path / "long.jsonl", rows)
    told = str(kr.evaluate_bundle(text_bundle, table))
    assert "1 of 30 texts are longer than `max_tokens`=20 and lose their end ('row 4')" in told


def test_few_texts_are_learned_from_for_more_epochs():
    """As many steps as help, unless somebody named the stages."""
    recipe = TextClassifier(tiny_bert(), batch_size=32)
    for count, epochs in ((10_000, 3), (770, 6), (40, 12)):
        judged = recipe.for_count(judge_recipe(recipe), count)
        assert judged.schedule.stages[-1].epochs == epochs
    named = TextClassifier(tiny_bert(), schedule=UnfreezeSchedule.full(2))
    judged = judge_recipe(named)
    assert named.for_count(judged, 40) is judged
    head, everything = TextClassifier.usual_schedule(2).stages
    assert (head.open_fraction, everything.open_fraction, everything.epochs) == (0, 1, 2)


def test_several_labels_learn_by_the_head_of_photos(tmp_path):
    several = [(f"{topic}|short" if len(t) < 25 else topic, t) for topic, t in draw_texts(90)]
    path = write_table(tmp_path / "labels.jsonl", several, ("labels", "text"))
    train, val, test = kr.split_texts(kr.scan_texts(path), near=False)
    schedule = UnfreezeSchedule.head_only(10, 0.03)
    recipe = TextClassifier(tiny_bert(), head="multi_label", schedule=schedule, batch_size=16)
    recipe.fit(train, val, verbose=False)
    evaluation = recipe.evaluate(test)
    assert evaluation.n == len(test) and recipe.labels_ == ("card", "money", "phone", "short")
    assert recipe.predict(test).shape == (len(test), 4)


@pytest.mark.proof
@pytest.mark.parametrize(
    "head, column, answer, enough",
    [
        ("regression", "value", {"card": 1.0, "money": 2.0, "phone": 6.0}, 1.5),
        ("ordinal", "label", {"card": "1 low", "money": "2 middle", "phone": "3 high"}, 0.6),
    ],
)
def test_numbers_and_an_order_learn_by_the_heads_of_photos(head, column, answer, enough, tmp_path):
    rows = [(answer[topic], text) for topic, text in draw_texts(90)]
    path = write_table(tmp_path / "answers.jsonl", rows, (column, "text"))
    train, val, test = kr.split_texts(kr.scan_texts(path), near=False)
    schedule = UnfreezeSchedule.head_only(12, 0.03)
    recipe = TextClassifier(tiny_bert(), head=head, schedule=schedule, batch_size=16)
    recipe.fit(train, val, verbose=False)
    evaluation = recipe.evaluate(test)
    # Saying the same of each text would be off by 1.8 numbers, or by 0.67 steps.
    assert evaluation.headline.value < enough and evaluation.n == len(test)
    assert "photo" not in str(evaluation)
    bundle = recipe.save(tmp_path / "model")
    record = bundle.export()
    assert Verification.from_dict(record.verification).passed
    (found,) = kr.Predictor(bundle.folder).predict([test.texts[0].text])
    said = recipe.fitted_.task.decode(recipe.predict(test)[0], recipe.output_)
    score = found.score if found.number is None else found.number
    assert found.label == said.label and score == pytest.approx(said.score, abs=0.1)


def test_what_is_made_for_photos_alone_is_refused(text_fitted, ticket_sets):
    train, val, _ = ticket_sets
    for call in (
        lambda: kr.ablate_recipe(text_fitted, train),
        lambda: kr.prune(text_fitted, train, val, channels=0.5),
        lambda: kr.quantize(text_fitted),
        lambda: kr.optimize(text_fitted, train, val),
    ):
        with pytest.raises(DataError, match="for photos so far, and this one is for texts"):
            call()


def test_the_simple_baseline_stands_beside_it(text_fitted, ticket_sets):
    train, _, test = ticket_sets
    before = text_fitted.report_.evaluations["test"]
    noted = compare_with_baseline(text_fitted, train, test)
    assert "TF-IDF of words" in noted.notes[-1] and "prefer it" in noted.notes[-1]
    assert len(noted.notes) == len(before.notes) + 1
    text_fitted.report_.evaluations["test"] = before


def test_a_probe_before_any_training(ticket_sets):
    found = TextClassifier(tiny_bert()).probe(*ticket_sets[:2])
    assert found.evaluation.accuracy.value > 0.6
    assert "learned from 60 texts" in str(found) and "photo" not in str(found)
