"""Views of training texts: repeatable, of the texts alone that are learned from, and refusable."""

import numpy as np
import pytest

from kerasrecipes import DataError, NoEffectError, TextAugmentation, TextClassifier
from kerasrecipes.engine.schedule import UnfreezeSchedule
from kerasrecipes.settings.judging import judge_recipe
from kerasrecipes.texts.augment import REWRITERS, Augmenter, register_rewriter
from kerasrecipes.texts.synonyms import read_synonyms
from kerasrecipes.texts.tokens import Tokens
from tiny_bert import VOCABULARY, tiny_bert, tiny_tokenizer

TOKENS = Tokens(tiny_tokenizer(), 20)
TEXT = "my card is lost please help today"
MASK = VOCABULARY.index("[MASK]")


def views(augmentation, text=TEXT, count=200):
    """Views of one text, each by a generator of its own."""
    return Augmenter(augmentation, TOKENS).ids([text] * count, 1, 20)


def changed(augmentation, text=TEXT, count=200):
    made = Augmenter(augmentation, TOKENS)
    return [made.changed(text, np.random.default_rng(i)).split() for i in range(count)]


def test_words_are_left_out_swapped_and_misspelled_as_often_as_asked():
    whole = TEXT.split()
    dropped = changed(TextAugmentation(drop_fraction=0.3))
    assert np.mean([len(words) for words in dropped]) == pytest.approx(0.7 * 7, abs=0.3)
    assert min(len(words) for words in changed(TextAugmentation(drop_fraction=0.9))) == 1
    swapped = changed(TextAugmentation(swap_fraction=0.3))
    assert all(sorted(words) == sorted(whole) for words in swapped) and swapped[0] != swapped[1]
    noisy = changed(TextAugmentation(noise_fraction=0.5))
    hit = np.mean([[a != b for a, b in zip(words, whole, strict=True)] for words in noisy], axis=0)
    # "my" and "is" are too short; of "help", say, swapping "el" always shows.
    assert hit[0] == hit[2] == 0 and 0.35 < hit[[1, 3, 4, 5, 6]].mean() < 0.6


def test_tokens_are_hidden_but_never_those_around_the_text():
    masked = views(TextAugmentation(mask_fraction=0.25))
    assert np.mean([np.mean(ids[1:-1] == MASK) for ids in masked]) == pytest.approx(0.25, abs=0.04)
    assert all((ids[0], ids[-1], len(ids)) == (2, 3, 9) for ids in masked)
    spans = views(TextAugmentation(span_fraction=0.4))
    whole = TOKENS.ids([TEXT])[0].tolist()
    for ids in map(np.ndarray.tolist, spans):
        place = ids.index(MASK)
        assert ids.count(MASK) == 1 and ids[:place] == whole[:place]
        assert ids[place + 1 :] == whole[len(whole) - len(ids) + place + 1 :]
    assert np.mean([len(ids) for ids in spans]) == pytest.approx(9 - 0.4 * 7 + 1, abs=0.3)


def test_a_view_is_a_function_of_seed_text_and_number(ticket_sets):
    recipe = TextClassifier(tiny_bert(), augment="words")
    texts = recipe.prepared(ticket_sets[0], tiny_bert())
    first, second, other = (texts.reader(None, "words", seed) for seed in (1, 1, 2))
    assert first.identity() == second.identity() != other.identity()
    for view in (2, 1):
        alike = zip(first.view(view), second.view(view), strict=True)
        assert all(np.array_equal(*pair) for pair in alike)
    assert not all(map(np.array_equal, first.view(1), other.view(1)))
    assert not all(map(np.array_equal, first.view(1), first.view(2)))
    assert all(map(np.array_equal, first.view(0), texts.ids()))


def test_no_view_is_longer_than_the_longest_text():
    """There is no more room where outputs of frozen blocks are kept."""
    register_rewriter("longer", lambda text, rng: f"{text} {text}", replace=True)
    try:
        (ids,) = Augmenter(TextAugmentation(rewrite="longer"), TOKENS).ids([TEXT], 1, 9)
        assert len(ids) == 9 and ids[-1] == 3
    finally:
        del REWRITERS["longer"]


def test_synonyms_come_from_a_file(tmp_path):
    file = tmp_path / "words.txt"
    file.write_text("# ours\n\nLost, gone, gone missing\nfee, charge\n", encoding="utf-8")
    assert read_synonyms(str(file))["lost"] == ("gone", "gone missing")
    always = TextAugmentation(synonym_fraction=0.9, synonyms=str(file))
    said = {" ".join(words) for words in changed(always)}
    assert said == {TEXT, TEXT.replace("lost", "gone"), TEXT.replace("lost", "gone missing")}
    for content, told in ((b"fee\n", "line 1: 'fee' stands alone"), (b"#", "has no word with"),
                          (b"\xff", "not valid UTF-8")):  # fmt: skip
        file.write_bytes(content)
        with pytest.raises(DataError, match=told):
            read_synonyms(str(file))
    with pytest.raises(DataError, match="cannot be read"):
        read_synonyms(str(tmp_path / "no.txt"))


@pytest.mark.parametrize(
    "told, message",
    [
        ({"drop_fraction": 1}, "`drop_fraction` must be a number from 0 to 0.9"),
        ({"synonym_fraction": 0.1}, "only have an effect together"),
        ({"synonyms": "x.txt"}, "only have an effect together"),
        ({"rewrite": "french"}, "Unknown rewriter 'french'"),
    ],
)
def test_what_cannot_be_meant_is_refused(told, message):
    with pytest.raises(ValueError, match=message):
        TextAugmentation(**told)


def test_rewriters_are_judged():
    with pytest.raises(ValueError, match="must be a function of a text"):
        register_rewriter("x", "y")
    with pytest.raises(ValueError, match="must be one word"):
        register_rewriter("to french", str)
    register_rewriter("back", lambda text, rng: "", replace=True)
    try:
        with pytest.raises(ValueError, match="'back' of a rewriter is taken"):
            register_rewriter("back", str)
        with pytest.raises(DataError, match="'back' must return a text, and of 'my card"):
            views(TextAugmentation(rewrite="back"))
    finally:
        del REWRITERS["back"]


def test_a_tokenizer_without_a_mask_is_told(monkeypatch):
    monkeypatch.setattr(Tokens, "mask_id", None)
    with pytest.raises(DataError, match="need a tokenizer with a mask token"):
        Augmenter(TextAugmentation(mask_fraction=0.1), Tokens(tiny_tokenizer(), 20))


def test_mixtures_are_of_features():
    tokens_only = UnfreezeSchedule.full(1)
    for settings, told in (
        ({"mix": "cutmix"}, "no box can be cut out of them"),
        ({"mix": "mixup", "schedule": tokens_only}, "every stage begins at the tokens"),
        ({"mix": "mixup", "cache_gb": 0}, "every stage begins at the tokens"),
        ({"augment": "words", "views": 1}, "the first view is the text itself"),
        ({"views": 8}, "each view is the text itself"),
        ({"augment": "flips"}, "Unknown augmentation of texts 'flips'"),
    ):
        with pytest.raises(ValueError, match=told) as caught:
            judge_recipe(TextClassifier(tiny_bert(), **settings))
        assert isinstance(caught.value, NoEffectError) == ("every" in told or "itself" in told)
    judge_recipe(TextClassifier(tiny_bert(), mix="mixup"))


def test_training_sees_views_and_validation_does_not(ticket_sets, capsys):
    """All of it in one fit: views at a cut, mixtures of features, and none at the tokens."""
    seen = []
    register_rewriter("noted", lambda text, rng: seen.append(text) or text, replace=True)
    try:
        augment = TextAugmentation(rewrite="noted", drop_fraction=0.2)
        schedule = UnfreezeSchedule.two_phase(1, 1e-3, head_epochs=2, open_fraction=1.0)
        recipe = TextClassifier(
            tiny_bert(), augment=augment, views=3, mix="mixup", schedule=schedule, seed=1
        )
        train, val, _ = ticket_sets
        recipe.fit(train, val)
        assert sorted(set(seen)) == sorted(one.text for one in train.texts)
        assert len(seen) == 2 * len(train)  # each view once, whatever the stages
        assert "Tokens cannot be mixed" in capsys.readouterr().err
        again = TextClassifier.from_config(recipe.get_config())
        assert again.augment == augment and again.views == 3
        sheet = recipe.show_views(train, views=2, count=3)
        assert len(set(sheet.labels)) == 3 and str(sheet).count("\n  ") == 6
    finally:
        del REWRITERS["noted"]
    with pytest.raises(ValueError, match="`augment` changes nothing"):
        TextClassifier(tiny_bert()).show_views(train)
    with pytest.raises(ValueError, match="`views` must be a whole number"):
        recipe.show_views(train, views=0)
    with pytest.raises(DataError, match="no texts to show"):
        recipe.show_views(train.select([]))
