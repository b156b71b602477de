"""Recipes on the command line: `init`, `--config` and `--set`, and the file that repeats a run."""

import hashlib
import json
import subprocess
import sys
import tomllib
from enum import EnumType
from functools import update_wrapper
from typing import get_args, get_type_hints

import numpy as np
import pytest

from kerasrecipes import Bundle, ImageClassifier, TextClassifier, UnfreezeSchedule
from kerasrecipes.choosing import ablation
from kerasrecipes.cli import fitting, optimizing
from kerasrecipes.settings.split_rows import SPLIT_ROWS
from kerasrecipes.training import fine_tune

TINY = ("--backbone", "tiny", "--image-size", 48)


@pytest.fixture
def asked(monkeypatch):
    """What the command line asks of `fine_tune_images`, which then does nothing."""
    seen = {}

    def note(source, to, **settings):
        seen.clear()
        seen.update(settings)
        raise ValueError("asked")

    # `init` reads what the function says of its arguments.
    monkeypatch.setattr(
        fine_tune, "fine_tune_images", update_wrapper(note, fine_tune.fine_tune_images)
    )
    return seen


def digest(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_new_recipe_is_written_once_and_trains_as_it_is(kr, photos, tmp_path, asked):
    to = tmp_path / "my recipe.toml"
    code, out, err = kr("init", photos, "--to", to)
    assert code == 0 and err == ""
    assert f"Next: kerasrecipes train {photos} --config '{to}' --to" in out
    text = to.read_text(encoding="utf-8")
    assert text.startswith("# A recipe for 48 photos of 3 classes, by kerasrecipes ")
    assert tomllib.loads(text) == {}
    code, out, err = kr("init", photos, "--to", to)
    assert code == 2 and out == "" and "exists already. Name another file." in err
    assert to.read_text(encoding="utf-8") == text
    plain = {"epochs": None, "fail_on_leak": False, "run_folder": None, "resume": False}
    plain["callbacks"] = ()
    assert kr("train", photos, "--to", tmp_path / "m", "--config", to)[0] == 1
    assert asked == plain


def test_a_table_of_photos_can_begin_a_recipe_too(kr, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"{photo},{photo.parent.name}" for photo in sorted(photos.rglob("*.png"))[15:18]]
    (tmp_path / "parts.csv").write_text("\n".join(["path,label", *rows]))
    assert kr("init", "parts.csv")[0] == 0
    assert "for 3 photos of 2 classes" in (tmp_path / "recipe.toml").read_text(encoding="utf-8")
    for source, message in (("part.csv", "Did you mean 'parts.csv'"), ("photo", "no folder or")):
        code, out, err = kr("init", source, "--to", "new.toml")
        assert code == 1 and out == "" and message in err and not (tmp_path / "new.toml").exists()


def test_the_later_word_counts(kr, photos, tmp_path, asked):
    config = tmp_path / "c.toml"
    config.write_text(
        'augment = "flips"\nseed = 3\nweights = "none"\ndropout = 0.1\nimage_size = [32, 48]\n'
        "[photos]\nval_fraction = 0.3\ntest_fraction = 0.1\n[schedule]\nepochs = 2\n"
    )
    run = ("train", photos, "--to", tmp_path / "m", "--config", config)
    kr(*run, "--seed", 4, "--test-fraction", 0.2, "--set", "dropout=0.4", "--set", "views=2")
    told = {name: asked[name] for name in ("seed", "weights", "dropout", "augment", "views")}
    assert told == {"seed": 4, "weights": None, "dropout": 0.4, "augment": "flips", "views": 2}
    assert (asked["val_fraction"], asked["test_fraction"]) == (0.3, 0.2)
    assert asked["image_size"] == (32, 48)
    assert asked["schedule"] == UnfreezeSchedule.two_phase(2)
    # What is typed counts, also where it is what the option says by itself.
    kr(*run, "--augment", "light", "--image-size", 64, "--set", "augment=none")
    assert (asked["augment"], asked["image_size"]) == ("none", (64, 64))


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("drpout = 1", (), "'--config': Unknown setting 'drpout'. Did you mean 'dropout'?"),
        ("dropout", (), "'--config': '{config}' is no TOML file"),
        ("[schedule]\nepoch = 1", (), "'--config': Unknown setting of a two_phase schedule 'epo"),
        ("", ("--set", "drpout=1"), "'--set': Unknown setting 'drpout'. Did you mean 'dropout'?"),
        ("", ("--set", "dropout"), "'--set': 'dropout' is not <setting>=<value>"),
        (None, (), "'--config': '{config}' cannot be read: No such file or directory."),
    ],
)
def test_wrong_settings_are_wrong_usage(kr, photos, tmp_path, content, options, message):
    config = tmp_path / "c.toml"
    if content is not None:
        config.write_text(content)
    run = ("--config", config, *options)
    for verb in (("train", photos, "--to", tmp_path / "m"), ("ablate", photos)):
        code, out, err = kr(*verb, *run)
        assert code == 2 and out == "" and message.format(config=config) in err
    assert kr("train", photos, "--to", tmp_path / "m", "--config", tmp_path)[0] == 2
    assert not (tmp_path / "m").exists()


def test_epochs_and_a_schedule_are_one_too_many(kr, photos, tmp_path):
    both = ("--epochs", 2, "--set", "schedule.epochs=3")
    for verb in (("train", photos, "--to", tmp_path / "m"), ("ablate", photos)):
        code, _, err = kr(*verb, *both)
        assert code == 1 and "Pass `epochs` or `schedule`, not both" in err


def test_ablate_takes_a_recipe_too(kr, photos, tmp_path, monkeypatch, tiny_command):
    seen = {}

    def note(recipe, photos, **settings):
        seen.update(settings, recipe=recipe, photos=photos)
        raise ValueError("asked")

    monkeypatch.setattr(ablation, "ablate_recipe", note)
    config = tmp_path / "c.toml"
    config.write_text("l2_sp = 1.0\n[photos]\ndrop_small_classes = true\nval_fraction = 0.1\n")
    kr("ablate", photos, *TINY, "--config", config, "--set", "ema=false")
    recipe, given = seen["recipe"], seen["photos"]
    assert (recipe.l2_sp, recipe.ema, recipe.image_size) == (1.0, False, (48, 48))
    assert seen["val_fraction"] == 0.1 and len(given) == 48


def test_the_file_of_a_run_repeats_it_to_the_bit(kr, photos, tmp_path, tiny_command):
    run = tmp_path / "run"
    code, out, err = kr(
        "train", photos, "--to", tmp_path / "one", *TINY, "--run", run, "--seed", 5,
        "--test-fraction", 0.25, "--set", "schedule.epochs=1", "--set", "schedule.head_epochs=2",
        "--set", "mix=mixup", "--set", "batch_size=8", "--set", "dropout=0.3",
        "--set", "augment.flip_vertical=true", "--set", "adapter.rank=1",
    )  # fmt: skip
    assert code == 0, err
    assert f"To repeat it: kerasrecipes train {photos} --config {run}/recipe.toml --to" in out
    again = ("--to", tmp_path / "two", "--config", run / "recipe.toml", "--run", tmp_path / "run2")
    code, _, err = kr("train", photos, *again)
    assert code == 0, err
    one, two = (Bundle.load(tmp_path / name).load_model() for name in ("one", "two"))
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    sides = [digest(tmp_path / name / "1" / "data.jsonl") for name in ("one", "two")]
    assert sides[0] == sides[1]
    assert digest(run / "recipe.toml") == digest(tmp_path / "run2" / "recipe.toml")
    facts = [json.loads((tmp_path / f / "config.json").read_text()) for f in ("run", "run2")]
    assert facts[0] == facts[1]
    # And goes on with the run itself.
    code, _, err = kr("train", photos, *again[2:], "--to", tmp_path / "two", "--resume")
    assert code == 0, err


def test_options_have_the_ranges_and_names_of_the_table():
    """They are typed by their own names, and say of a value what the table says."""
    rows = {row.name: row.kind for row in (*ImageClassifier.table, *SPLIT_ROWS)}
    of_texts = {row.name: row.kind for row in TextClassifier.table}
    seen = set()
    for command in (fitting.train, fitting.ablate, optimizing.distil_saved):
        for name, hint in get_type_hints(command, include_extras=True).items():
            if name not in rows:
                continue
            seen.add(name)
            typed, option = get_args(hint)[0], get_args(hint)[-1]
            if name == "seed":
                assert (option.min, option.max) == (rows[name].low, rows[name].high)
            if isinstance(typed, EnumType):
                # Of texts, one option may have more names.
                more = of_texts[name].names() if name in of_texts else ()
                assert [one.value for one in typed] == [
                    *dict.fromkeys([*rows[name].names(), *more])
                ]
    assert seen == {
        "backbone", "image_size", "weights", "augment", "loss", "seed", "group_by", "split_by",
        "test_fraction", "val_fraction", "drop_small_classes", "label", "labels", "value",
        "classes", "labels_from", "fit", "channels", "dtype", "value_range", "tiles",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("labels\n0.png,a|b", "1 photos with 2 labels"),
        ("value\n0.png,3", "1 photos with a number each"),
    ],
)
def test_a_new_recipe_says_what_a_table_holds(make, tmp_path, kr, text, says):
    make.photo(tmp_path / "0.png")
    (tmp_path / "t.csv").write_text(f"path,{text}\n")
    assert kr("init", tmp_path / "t.csv", "--to", tmp_path / "r.toml")[0] == 0
    assert (tmp_path / "r.toml").read_text().startswith(f"# A recipe for {says}, by")


def test_a_new_recipe_names_the_column_that_was_named(make, tmp_path, kr):
    make.photo(tmp_path / "0.png")
    (tmp_path / "t.csv").write_text("path,label,width\n0.png,ok,3\n")
    to = tmp_path / "r.toml"
    assert kr("init", tmp_path / "t.csv", "--to", to, "--value", "width")[0] == 0
    text = to.read_text()
    assert "for 1 photos with a number each" in text
    assert tomllib.loads(text) == {"photos": {"value": "width"}}
    code, _, err = kr("init", tmp_path, "--to", tmp_path / "s.toml", "--value", "width")
    assert code == 1 and "is a folder, which has no columns. Leave 'value' out" in err


def test_a_recipe_is_written_without_docstrings_too(photos, tmp_path):
    command = [sys.executable, "-OO", "-m", "kerasrecipes", "init", photos, "--to", "r.toml"]
    done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "\n#dropout = 0.2\n" in (tmp_path / "r.toml").read_text(encoding="utf-8")
