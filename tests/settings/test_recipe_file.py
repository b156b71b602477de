"""Recipes in TOML: what is written is read again, and what is wrong is named."""

import inspect
import re
import tomllib
from pathlib import Path

import pytest

from kerasrecipes import (
    Augmentation,
    BitFit,
    Bottleneck,
    DataError,
    ImageClassifier,
    LowRank,
    Stage,
    SyntheticDefects,
    UnfreezeSchedule,
    fine_tune_images,
)
from kerasrecipes.settings.judging import judge_recipe
from kerasrecipes.settings.photo_rows import IMAGE_CLASSIFIER
from kerasrecipes.settings.split_rows import SPLIT_ROWS
from kerasrecipes.settings.structures import is_made
from kerasrecipes.settings.written.meanings import meanings
from kerasrecipes.settings.written.recipe_file import RecipeFile, recipe_text
from kerasrecipes.settings.written.reference import settings_sections
from kerasrecipes.settings.written.template import recipe_template
from kerasrecipes.settings.written.toml_text import toml_key, toml_value

SPLIT = {
    "source": "/data/a\nb = 3\x1b[31m", "label": "kind", "labels": ("a", "b c"), "value": "mm",
    "classes": "by value", "group_by": r"part(\d+)_", "split_by": "group",
    "test_fraction": 0.1, "val_fraction": 0.3, "drop_small_classes": True,
    "labels_from": "my/labels.csv", "fit": "letterbox", "channels": 1,
    "dtype": "float32", "value_range": (0, 4095.5),
}  # fmt: skip


def read(text: str, tmp_path: Path, *assignments: str) -> RecipeFile:
    (tmp_path / "recipe.toml").write_text(text, encoding="utf-8")
    found = RecipeFile(IMAGE_CLASSIFIER)
    found.read(tmp_path / "recipe.toml")
    for one in assignments:
        found.assign(one)
    return found


def recipe_of(found: RecipeFile) -> ImageClassifier:
    return ImageClassifier(**found.settings())


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"schedule": UnfreezeSchedule.gradual(patience=3), "adapter": LowRank(alpha=0.5)},
        {"schedule": UnfreezeSchedule((Stage('a "b"\n]', 1, "auto"),)), "adapter": BitFit()},
        {"adapter": Bottleneck(3, (1, 2)), "augment": Augmentation(flip_vertical=True)},
        {"synthetic_defects": SyntheticDefects({"a crack": "scratch", "é": "paste"}, 0.3)},
        {"weights": "a\\b \x7f'\"\u2028é.npz", "image_size": (48, 64), "class_weights": None},
        {"loss": "expected_cost", "loss_options": {"costs": [[0, 1], [5.5, 0]], "ä b": {"x": []}}},
        {"cache_gb": float("inf"), "weight_decay": 1e-5, "clip_norm": 1e30, "ema": False},
        {"devices": ["GPU:0", "GPU:1"], "seed": 2**31 - 1, "patience": 7, "label_smoothing": 0},
    ],
)
def test_what_is_written_is_read_again(settings, tmp_path):
    recipe = ImageClassifier(**settings)
    found = read(recipe_text(recipe, SPLIT), tmp_path)
    assert recipe_of(found).get_config() == recipe.get_config()
    assert recipe_of(found).schedule == recipe.schedule
    assert found.split() == {k: v for k, v in SPLIT.items() if k != "source"}
    assert set(found.plain) == {row.name for row in IMAGE_CLASSIFIER} | {"photos"}
    assert read(recipe_text(recipe, {}), tmp_path).split() == {}


def template() -> str:
    return recipe_template(ImageClassifier, fine_tune_images, "A recipe.\nFor you.")


def test_a_new_file_is_the_default_recipe(tmp_path):
    found = read(template(), tmp_path)
    assert found.plain == {} and repr(recipe_of(found)) == "ImageClassifier()"


def test_each_line_of_a_new_file_says_what_is_so_without_it(tmp_path):
    flat = template().partition("Tables, which come last")[0]
    said = read(re.sub(r"^#(?! )", "", flat, flags=re.M), tmp_path)
    assert list(said.plain) == [row.name for row in rows_in_groups()]
    assert repr(recipe_of(said)) == "ImageClassifier()"
    tables = template().partition("Tables, which come last")[2]
    blocks = [one for one in tables.split("\n\n") if re.search(r"^#\[", one, flags=re.M)]
    names = []
    for block in blocks:
        said = read(re.sub(r"^#(?! )", "", block, flags=re.M), tmp_path)
        names += said.plain
        recipe_of(said)
        if names[-1] == "photos":
            splits = inspect.signature(fine_tune_images).parameters
            assert said.split() == {row.name: splits[row.name].default for row in SPLIT_ROWS}
    assert names == ["photos", "augment", "synthetic_defects", *["schedule"] * 4, *["adapter"] * 3]


def rows_in_groups():
    from kerasrecipes.settings.setting import GROUPS

    return sorted(IMAGE_CLASSIFIER, key=lambda row: GROUPS.index(row.group))


def test_a_new_file_explains_each_setting():
    text = template()
    assert text.startswith("# A recipe.\n# For you.\n")
    assert max(map(len, text.splitlines())) <= 100
    for row in (*IMAGE_CLASSIFIER, *SPLIT_ROWS):
        told = re.search(rf"((?:^# .+\n)+)#{row.name} = .+$", text, flags=re.M)
        assert told and len(told[1]) > 20, row.name


def test_the_reference_has_each_setting_with_its_meaning_and_its_rules():
    page = settings_sections(ImageClassifier, fine_tune_images)
    said = meanings(ImageClassifier)
    for row in IMAGE_CLASSIFIER:
        section = page.partition(f"\n#### `{row.name}`\n")[2].partition("\n#")[0]
        assert said[row.name] in section and "- Default: `" in section
        assert row.kind.words in section
        assert all(rule.briefly in section for rule in row.rules)
        assert all(idle.why in section for idle in row.idle.values())
    assert len(re.findall(r"^#### ", page, flags=re.M)) == len(IMAGE_CLASSIFIER) + len(SPLIT_ROWS)


# A setting that is typed → what it becomes.
TYPED = {
    "backbone=mobilenet_v2": "mobilenet_v2",
    "image_size=[96, 128]": (96, 128),
    "augment=flips": "flips",
    "augment.flip_vertical=true": Augmentation(flip_vertical=True),
    "views=2": 2,
    'synthetic_defects.classes={crack="blob"}': SyntheticDefects({"crack": "blob"}),
    "synthetic_defects=none": None,
    "weights=none": None,
    "weights=1.5": "1.5",
    "head=margin": "margin",
    "head_norm='layer'": "layer",
    "pooling=gem": "gem",
    "hidden=[256, 64]": (256, 64),
    "hidden_dropout=0.3": 0.3,
    "cosine=true": True,
    "depths=6": 6,
    "start=probe": "probe",
    "dropout = 0.3": 0.3,
    "unit=mm": "mm",
    "batch_size=8": 8,
    "mix=cutmix": "cutmix",
    "mix_alpha=1": 1,
    "schedule=full": UnfreezeSchedule.full(),
    "schedule.head_epochs=4": UnfreezeSchedule.two_phase(head_epochs=4),
    "schedule.learning_rate=auto": UnfreezeSchedule.two_phase(learning_rate="auto"),
    "patience=5": 5,
    "adapter=BitFit": BitFit(),
    "adapter.rank=8": LowRank(8),
    'adapter={kind="Bottleneck", units=4}': Bottleneck(4),
    "batch_norm=train": "train",
    "loss=focal": "focal",
    "loss_options.gamma=3.0": {"gamma": 3.0},
    "label_smoothing=0.05": 0.05,
    "class_weights=none": None,
    "weight_decay=1e-4": 1e-4,
    "ema=false": False,
    "monitor=val_recall_of_crack_at_false_alarms_0.02": "val_recall_of_crack_at_false_alarms_0.02",
    "optimizer=sgd": "sgd",
    "optimizer_options.momentum=0.95": {"momentum": 0.95},
    "curve=plateau": "plateau",
    "curve_options.patience=2": {"patience": 2},
    'metrics=["f1", {kind = "F1Score", name = "g"}]': ["f1", {"kind": "F1Score", "name": "g"}],
    "sampling=group": "group",
    "l2_sp=3": 3,
    "stochastic_depth=0.1": 0.1,
    "clip_norm=1.0": 1.0,
    "adaptive_clip=0.05": 0.05,
    "accumulate=4": 4,
    "cache_gb=inf": float("inf"),
    "precision=float32": "float32",
    "rematerialise=true": True,
    'devices=["GPU:0", "GPU:1"]': ["GPU:0", "GPU:1"],
    "seed=7": 7,
    "deterministic=true": True,
}


@pytest.mark.parametrize("text", TYPED)
def test_a_setting_is_what_was_typed(text):
    found = RecipeFile(IMAGE_CLASSIFIER)
    found.assign(text)
    ((name, value),) = found.settings().items()
    assert value == TYPED[text] and type(value) is type(TYPED[text])
    (row,) = [row for row in IMAGE_CLASSIFIER if row.name == name]
    row.kind.check(name, value)


def test_each_setting_can_be_typed():
    assert {re.match(r"\w+", text)[0] for text in TYPED} == {row.name for row in IMAGE_CLASSIFIER}


def test_what_is_typed_counts_more_than_the_file(tmp_path):
    text = 'schedule = "gradual"\ndropout = 0.1\nseed = 3\n[photos]\ntest_fraction = 0.3\n'
    found = read(text, tmp_path, "dropout=0.4", "schedule.steps=2", "photos.val_fraction=0.1")
    assert recipe_of(found).schedule == UnfreezeSchedule.gradual(steps=2)
    assert (found.settings()["dropout"], found.settings()["seed"]) == (0.4, 3)
    assert found.split() == {"test_fraction": 0.3, "val_fraction": 0.1}
    found.assign("schedule.kind=full")
    with pytest.raises(ValueError, match="Unknown setting of a full schedule 'steps'"):
        found.settings()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dropout", "'dropout' is not <setting>=<value>"),
        ("=3", "'=3' is not <setting>=<value>"),
        ("schedule.=3", "is not <setting>=<value>"),
        ("a\nb", r"'a\\\\nb' is not <setting>"),
        ("dropuot=3", "Unknown setting 'dropuot'. Did you mean 'dropout'"),
        ("schedle.epochs=3", "Unknown setting 'schedle.epochs'. Did you mean 'schedule.epochs'"),
        ("dropout.x=3", "Unknown setting 'dropout.x'. Did you mean 'dropout'"),
        ("photos.group=3", r"Unknown setting of \[photos\] 'group'"),
        ("photos=3", "`photos` must be a table"),
        ("photos={fraction=1}", r"Unknown setting of \[photos\] 'fraction'"),
        ("seed=\x1b[31m", "`seed` must be a whole number"),
        ("seed=1\ndropout = 0.5", "`seed` must be a whole number"),
        ("seed=1979-05-27", "`seed` must be a whole number"),
        ("schedule.epochs=0", "`epochs` must be at least 1"),
        ("schedule=[[1]]", "A stage must be a table"),
        ("photos.test_fraction=all", "`test_fraction` must be between 0 and 1"),
        ("photos.split_by=tim", "Unknown split_by 'tim'. Did you mean 'time'"),
    ],
)
def test_what_is_typed_wrong_is_named(text, message):
    found = RecipeFile(IMAGE_CLASSIFIER)
    with pytest.raises(ValueError, match=message):
        found.assign(text)
        settings = found.settings()
        found.split()
        for row in IMAGE_CLASSIFIER:
            if row.name in settings:
                row.kind.check(row.name, settings[row.name])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"dropout = ", "is no TOML file"),
        (b"dropout = 0.1\ndropout = 0.2", "is no TOML file"),
        (b"\xff\xfe\x00", "is no TOML file"),
        (b"x = " + b"[" * 10**5, "is no TOML file"),
        (b"'\x1b' = 1", "is no TOML file"),
        (b'"\\u001b[31m" = 1', r"Unknown setting '\\x1b\[31m'"),
        (b"drpout = 1", "Unknown setting 'drpout'. Did you mean 'dropout'"),
        (b"photos = 3", "`photos` must be a table"),
        (b"[photos]\ngroupby = 'x'", r"setting of \[photos\] 'groupby'. Did you mean 'group_by'"),
        (b"[schedule]\nepoch = 1", "setting of a two_phase schedule 'epoch'. Did you mean 'epochs"),
        (b"[[schedule]]\nname = 'x'", "A stage needs 'epochs', 'learning_rate'"),
        (b"[[schedule]]\nname = 1\nepochs = 1\nlearning_rate = 1.0", "`name` must be a text"),
        (b"[adapter]\nkind = 'LoRA'", "Unknown kind of adapter 'LoRA'"),
        (b"[augment]\nmixed_chains = -1", "`mixed_chains` must be a whole number"),
    ],
)
def test_hostile_files_are_named(content, message, tmp_path):
    (tmp_path / "x.toml").write_bytes(content)
    found = RecipeFile(IMAGE_CLASSIFIER)
    with pytest.raises(ValueError, match=message) as error:
        found.read(tmp_path / "x.toml")
        found.settings()
    assert "\x1b" not in str(error.value)
    assert isinstance(error.value, DataError) == ("no TOML" in message)


def test_values_of_the_wrong_type_are_left_to_the_table(tmp_path):
    """They are judged with all others, by the messages that all others get."""
    for row in IMAGE_CLASSIFIER:
        if not is_made(row.kind):
            found = read(f"{row.name} = 1979-05-27T07:32:00Z", tmp_path)
            with pytest.raises(ValueError, match=row.name.replace("_norm", ".norm")):
                judge_recipe(recipe_of(found))


def test_toml_is_what_python_reads():
    text = "\t\"'\\\n\x00\x7f\U0001f600"
    for value in (True, 0, -1.5, 1e-300, float("inf"), "", text, [], [[1]]):
        assert tomllib.loads(f"{toml_key('a b')} = {toml_value(value)}") == {"a b": value}
    with pytest.raises(TypeError, match="no TOML for"):
        toml_value(object())
