"""Every command with a model or a table of texts: it works, or says at once what to use instead."""

import shutil
from datetime import date, timedelta

import pytest

import kerasrecipes as kr
from kerasrecipes import backbones
from kerasrecipes.cli import COMMANDS, main
from tiny_bert import draw_texts, tiny_bert, write_table

TEXTS = ("--recipe", "text_classification")
TINY = ("--backbone", "tiny_bert")
NO_PATH = "Texts are read by scan_texts, and on the command line by doctor, init"
REMADE = "Export it instead with 8-bit weights"

# What is typed; how it ends; and what is said.
WORKS = {
    "evaluate": [(("model", "new", "--slice", "tokens"), 0, "tokens: ")],
    "verify": [(("model",), 0, "tflite-dynamic: verified")],
    "benchmark": [(("model", "--runs", "10"), 0, "Times are for one text")],
    "drift": [
        (("model", "later", "--reference", "new"), 0, "texts"),
        (("model", "changed", "--reference", "new"), 5, "answers"),
        (("model", "later"), 6, "Insufficient data: 90 texts"),
    ],
    "init": [(("table", "--to", "recipe", *TEXTS), 0, "--recipe text_classification")],
    "mistakes": [
        (("wrong", *TEXTS, *TINY), 0, "row 6 "),
        (("table", "--model", "model", *TINY), 0, "surest of"),
    ],
    "over-time": [(("timed", *TEXTS, *TINY, "--windows", "2"), 0, "frozen tiny_bert")],
    "show-augmentation": [
        (("table", *TEXTS, *TINY, "--augment", "typos", "--photos", "2"), 0, "money: "),
    ],
    "tune": [(("table", *TEXTS, *TINY), 0, "texts that the search never")],
    "explain": [(("model", "pin lost", "later", "--of", "money"), 0, "hiding 20% of their words")],
    "compare": [(("versions", "1", "2", "new"), 3, "90 texts, the same for both")],
    "operate": [(("model", "--abstain", "0.1"), 0, "of 30 texts to a person")],
    "promote": [(("versions", "1"), 0, "30 answered as the trained model does")],
    "history": [(("versions",), 0, "promote champion")],
    "report": [
        (("model", "--to", "page", "--card", "card"), 0, "Model card written"),
        (("model", "--to", "page", "--photos", "new", "--slice", "label", *TINY), 0, "Written"),
    ],
    "starter": [(("model", "project", "--language", "python"), 0, "Begin with its README.md")],
    "export": [
        (("model", "--format", "onnx"), 0, "onnx-float32: verified"),
        (("model", "--decide", "--overwrite"), 0, "'decision'  100.0 % of 30 texts"),
    ],
}
# TensorFlow is loaded anew to look at it.
LONG = {"export": [(("model", "--format", "saved_model"), 0, "100.0 % of 30 texts")]}
REFUSED = {
    "export": [(("model", "--signatures", "embed", "--overwrite"), "for models for photos so far")],
    "score": [(("model", "table", "--to", "app"), "Ask `predict` about what stands in a table")],
    "stress": [(("model", "new"), "Measure where the model is worse by `evaluate`")],
    "explain": [(("model", "new", "--method", "layercam"), "Unknown method 'layercam'")],
    "review": [(("model", "table"), "Ask `mistakes` with the model")],
    "starter": [(("model", "app", "--language", "kotlin"), "MediaPipe's TextClassifier takes")],
    "optimize": [(("model", "table"), REMADE)],
    "prune": [(("model", "table", "--to", "app", "--channels", "0.5"), REMADE)],
    "quantize": [(("model", "table", "--to", "app"), REMADE)],
    "distil": [(("model", "table", "--to", "app", "--backbone", "mobilenet_v2"), REMADE)],
    "recommend": [(("table",), NO_PATH)],
    "ablate": [(("table",), NO_PATH)],
    "auto": [(("table", "--to", "app"), NO_PATH)],
    "tune": [
        (("table",), NO_PATH),
        (("table", *TEXTS, "--set", "start=head"), "does not start from a probe"),
    ],
    "show-augmentation": [(("table", "--to", "picture"), NO_PATH)],
    "init": [(("table", "--to", "recipe"), NO_PATH)],
    "mistakes": [(("table",), NO_PATH)],
    "over-time": [(("timed",), NO_PATH)],
}
ELSEWHERE = {"doctor", "train", "predict"}  # in test_texts.py
ABOUT_NO_DATA = {"ls", "cp"}
# Of versions and of what was logged, whatever kind of data it is of.
LATER = {"rollback", "diff", "check", "monitor", "rollout", "sign", "bom", "serve", "new-key"}
# Not tried with texts yet.
UNTRIED = {"edge", "retrain", "collect"}


@pytest.fixture(scope="module")
def places(text_bundle, tickets, tmp_path_factory):
    """Where what the commands name lies: the model may be changed."""
    root = tmp_path_factory.mktemp("everywhere")
    versions = shutil.copytree(text_bundle.folder.parent, root / "models")
    kr.operate_bundle(versions, abstain=0.2)
    fresh = draw_texts(180, seed=9)
    flipped = [("money" if i in {5, 6} else topic, text) for i, (topic, text) in enumerate(fresh)]
    days = [(date(2026, 1, 1) + timedelta(i)).isoformat() for i in range(60)]
    timed = [(*row, day) for row, day in zip(fresh, days, strict=False)]
    tables = {
        "new": fresh[:90],
        "later": fresh[90:],
        "changed": [row for row in draw_texts(270, seed=11) if row[0] == "card"],
        "wrong": flipped[:60],
    }
    found = {name: write_table(root / f"{name}.jsonl", rows) for name, rows in tables.items()}
    found["timed"] = write_table(root / "timed.jsonl", timed, ("label", "text", "time"))
    made = {"recipe": "recipe.toml", "page": "p.html", "card": "c.md", "picture": "p.png",
            "project": "project"}  # fmt: skip
    found |= {name: root / file for name, file in made.items()}
    return {
        **found, "table": tickets, "model": versions / "1", "versions": versions, "app": root / "a"
    }  # fmt: skip


def run(words, places):
    with pytest.raises(SystemExit) as end:
        main([str(places.get(word, word)) for word in words])
    return end.value.code or 0


def cases(of, *marks):
    return [
        pytest.param(verb, *case, marks=marks) for verb, several in of.items() for case in several
    ]


def test_no_command_is_left_out():
    assert {*WORKS, *REFUSED, *ELSEWHERE, *ABOUT_NO_DATA, *LATER, *UNTRIED} == set(COMMANDS)


@pytest.mark.parametrize(
    "verb, words, code, told", [*cases(WORKS), *cases(LONG, pytest.mark.proof)]
)
def test_it_works_and_speaks_of_texts(verb, words, code, told, places, monkeypatch, capsys):
    monkeypatch.setitem(backbones._TEXTS.added, "tiny_bert", tiny_bert())
    assert run((verb, *words), places) == code
    said = "".join(capsys.readouterr())
    assert told in said and "photo" not in said.replace("--photos", "")


@pytest.mark.parametrize("verb, words, told", cases(REFUSED))
def test_it_is_refused_before_any_work(verb, words, told, places, monkeypatch, capsys):
    from kerasrecipes.release.bundle import Bundle

    def load(self):
        raise AssertionError("the model is loaded before the refusal")

    monkeypatch.setattr(Bundle, "load_model", load)
    assert run((verb, *words), places) == 1
    said = capsys.readouterr().err
    assert told in said and len(said.splitlines()) == 1
    assert not places["app"].exists() and not places["picture"].exists()


def test_what_was_written_speaks_of_texts(places, monkeypatch):
    """A page shows texts where it shows photos, and a recipe to begin with is one for texts."""
    monkeypatch.setitem(backbones._TEXTS.added, "tiny_bert", tiny_bert())
    page = places["page"].read_text(encoding="utf-8")
    assert "What it says" in page and "data:image/jpeg" not in page
    card = places["card"].read_text(encoding="utf-8")
    assert "pipeline_tag: text-classification" in card and "photo" not in card
    recipe = places["recipe"].read_text(encoding="utf-8")
    assert "#[texts]" in recipe and "max_tokens" in recipe and "image_size" not in recipe


def test_photos_are_not_looked_for_among_texts(places, capsys):
    for words in (("mistakes", "wrong"), ("over-time", "timed"), ("init", "wrong")):
        assert run((*words, "--text", "text"), places) == 2
        assert "'--text'" in capsys.readouterr().err
    with pytest.raises(kr.DataError, match="Call the `probe` of a recipe"):
        kr.recommend_backbone(kr.scan_texts(places["new"]))


def test_texts_are_served(places):
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    pytest.importorskip("uvicorn", reason="NO WEB SERVER")
    httpx = pytest.importorskip("httpx")
    from kerasrecipes.server.models import Models
    from kerasrecipes.server.service import Service
    from kerasrecipes.server.settings import ServerSettings
    from kerasrecipes.server.web.app import App

    models = Models(places["versions"])
    models.refresh()
    service = Service(models, ServerSettings(max_length=25))
    tokens = {
        (3,) * 26: "It is 26 long; at most 25", (3,) * 21: "at most 20 tokens, and these are 21",
        (3, -1): "token ids are at least 0",
    }  # fmt: skip
    text = "my card was declined — again"

    def v2(ids):
        one = {"name": "ids", "datatype": "INT32", "shape": [1, len(ids)], "data": ids}
        return {"inputs": [one]}

    async def ask():
        transport = httpx.ASGITransport(App(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.post("/predict", content=text.encode())
            refused = await client.post("/predict", content=b"\xff")
            told = await client.get("/v2/models/models")
            wrong = [await client.post("/v2/models/models/infer", json=v2(ids)) for ids in tokens]
        return answer, refused, told.json(), wrong

    with ThreadPoolExecutor(1) as pool:  # a browser's loop may run in this thread
        answer, refused, told, wrong = pool.submit(asyncio.run, ask()).result()
    service.close()
    version = str(answer.json()["version"])
    (expected,) = kr.Predictor(places["versions"] / version).predict(text)
    assert answer.status_code == 200 and answer.json()["scores"] == dict(expected.scores)
    assert refused.status_code == 422 and "not valid UTF-8" in refused.json()["error"]
    assert told["inputs"][0]["shape"] == [-1, -1]
    for reply, reason in zip(wrong, tokens.values(), strict=True):
        assert reply.status_code == 400 and reason in reply.json()["error"]
