"""Texts on the command line: what commands take, print and refuse."""

import io
import json

import pytest

from kerasrecipes.cli import main
from tiny_bert import draw_texts, write_table


def run(*words, expect=0):
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    assert (end.value.code or 0) == (expect or 0)


TEXTS = ("--recipe", "text_classification")


def test_doctor_looks_at_a_table_of_texts(tickets, capsys):
    run("doctor", tickets, *TEXTS, "--split", "random", "--json")
    found = json.loads(capsys.readouterr().out)
    assert sum(found["texts"].values()) == 120 and "photos" not in found
    run("doctor", tickets, *TEXTS, "--text", "words", expect=1)
    assert "no column 'words'" in capsys.readouterr().err
    run("doctor", tickets, "--text", "text", expect=2)
    assert "it is not for photos" in capsys.readouterr().err


def test_training_refuses_what_is_about_photos(tickets, tmp_path, capsys):
    to = tmp_path / "model"
    run("train", tickets, *TEXTS, "--to", to, "--image-size", "48", expect=2)
    assert "'image_size' would have no effect: it is not about texts" in capsys.readouterr().err
    run("train", tickets, "--to", to, "--text", "text", expect=2)
    assert "'text' would have no effect: it is not about photos" in capsys.readouterr().err
    assert not to.exists()


def test_training_to_a_model(tickets, tmp_path, monkeypatch, capsys):
    from kerasrecipes import backbones
    from tiny_bert import tiny_bert

    monkeypatch.setitem(backbones._TEXTS.added, "tiny_bert", tiny_bert())
    folder = tmp_path / "model"
    schedule = ("--set", "schedule=head_only", "--set", "schedule.epochs=2")
    words = (*TEXTS, "--backbone", "tiny_bert", *schedule, "--run", tmp_path / "run")
    run("train", tickets, *words, "--to", folder)
    told = "".join(capsys.readouterr())
    assert "test texts:" in told and "TF-IDF of words" in told
    assert f"Next: kerasrecipes export {folder}/1 --format tflite\n" in told
    written = (tmp_path / "run" / "recipe.toml").read_text(encoding="utf-8")
    assert "[texts]" in written and "--recipe text_classification" in told
    evaluated = write_table(tmp_path / "later.jsonl", draw_texts(20, seed=7))
    run("evaluate", folder, evaluated)
    assert "of 20 texts right" in capsys.readouterr().out


def test_predict_takes_texts_from_everywhere(text_bundle, tmp_path, monkeypatch, capsys):
    (tmp_path / "letter.txt").write_text("refund the fee", encoding="utf-8")
    table = write_table(tmp_path / "t.jsonl", [("x", "my app login")], ("other", "text"))
    lines = io.TextIOWrapper(io.BytesIO(b"my lost card\n\nwhy is the code\n"))
    monkeypatch.setattr("sys.stdin", lines)
    model = text_bundle.folder
    run("predict", model, "is my pin stolen?", tmp_path / "letter.txt", table, "-", "--json")
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["label"] for one in found] == ["card", "money", "phone", "card", "phone"]
    run("predict", model, "my card " * 30)
    assert "…" in capsys.readouterr().out
    run("predict", model, " ", expect=1)
    assert "is blank" in capsys.readouterr().err
    run("predict", model, tmp_path / "none.csv", expect=1)
    assert "There is no file" in capsys.readouterr().err
    run("predict", model, "my card", "--text", "text", expect=2)
    assert "there is no table of texts" in capsys.readouterr().err


def test_what_cannot_be_done_with_texts_is_refused(text_bundle, tickets, tmp_path, capsys):
    run("export", text_bundle.folder, "--quantization", "int8", expect=1)
    assert "cannot be had of a model for texts" in capsys.readouterr().err
    run("starter", text_bundle.folder, tmp_path / "app", "--language", "swift", expect=1)
    assert "this model takes texts" in capsys.readouterr().err
    run("evaluate", text_bundle.folder, tickets, "--labels-from", tickets, expect=2)
    assert "it is not for texts" in capsys.readouterr().err
