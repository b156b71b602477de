"""A run that is cut off anywhere goes on, and ends with the very weights of one that was not."""

import csv
import json
import re
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from kerasrecipes import (
    Augmentation,
    BitFit,
    DataError,
    ImageClassifier,
    IntegrityError,
    SyntheticDefects,
    UnfreezeSchedule,
    backbones,
    fine_tune_images,
)
from kerasrecipes.callbacks.exact_checkpoint import ExactCheckpoint
from kerasrecipes.engine.run_folder import RunFolder


class Cut(Exception):
    pass


class CutAt(keras.callbacks.Callback):
    """Ends a run in the middle of an epoch, counted over all stages."""

    def __init__(self, epoch: int):
        super().__init__()
        self.left = epoch

    def on_epoch_end(self, epoch, logs=None):
        self.left -= 1

    def on_train_batch_end(self, batch, logs=None):
        if self.left == 0 and batch == 1:
            raise Cut

    def get_state(self):
        return {}

    def set_state(self, state):
        pass


@pytest.fixture
def often(monkeypatch):
    """Writes after each epoch, however short it is."""
    begin = ExactCheckpoint.__init__

    def eager(self, folder, every=1, **options):
        begin(self, folder, every=1, **options)

    monkeypatch.setattr(ExactCheckpoint, "__init__", eager)


@pytest.fixture
def make(tiny_spec, quick_recipe):
    """Makes recipes with everything that has a state, on a tiny backbone."""

    def recipe(**changes):
        head, *opened = UnfreezeSchedule.gradual(
            epochs=2, steps=2, open_fraction=1.0, head_epochs=3
        ).stages
        settings = {
            "backbone": tiny_spec(),
            "schedule": UnfreezeSchedule((head, *opened)),
            "accumulate": 2,
            "mix": "mixup",
            "clip_norm": 1.0,
        }
        return quick_recipe(**{**settings, **changes})

    return recipe


def facts(recipe):
    """Return everything that must repeat to the last bit."""
    variables = [v.numpy() for v in recipe.model_.variables]
    report = recipe.report_
    stages = [
        (one.name, one.epochs_run, one.best_epoch, one.history, one.trainable_parameters)
        for one in report.stages
    ]
    said = {name: said for name, said in report.callbacks.items() if "ExactCheckpoint" not in name}
    evaluations = {
        name: {**one.to_dict(), "latency_ms": None} for name, one in report.evaluations.items()
    }
    # As text, in which NaN equals NaN.
    return variables, stages, json.dumps(said), json.dumps(evaluations)


def same(one, other):
    for a, b in zip(one[0], other[0], strict=True):
        np.testing.assert_array_equal(a, b)
    assert one[1:] == other[1:]


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_cut_off_anywhere_it_ends_alike(part_sets, make, tmp_path, often):
    train, val, _ = part_sets
    whole = make()
    whole.fit(train, val, verbose=False, run_folder=tmp_path / "whole")

    cut = tmp_path / "cut"
    for epoch in (1, 2, 1):  # in the head, at its end, and in the stage that follows
        with pytest.raises(Cut):
            make().fit(
                train, val, verbose=False, callbacks=[CutAt(epoch)],
                run_folder=cut, resume=cut.exists(),
            )  # fmt: skip
    resumed = make()
    resumed.fit(train, val, verbose=False, callbacks=[CutAt(99)], run_folder=cut, resume=True)
    one, other = facts(whole), facts(resumed)
    same(one, other)
    assert lines(cut) == lines(tmp_path / "whole")
    assert [(line["stage"], line["epoch"]) for line in lines(cut)] == [
        ("head", 1), ("head", 2), ("head", 3),
        ("open 1", 1), ("open 1", 2), ("open 2", 1), ("open 2", 2),
    ]  # fmt: skip

    again = make()  # a run that is finished is only measured again
    again.fit(train, val, verbose=False, callbacks=[CutAt(0)], run_folder=cut, resume=True)
    same(one, facts(again))


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "schedule_free_adamw"},
        {"optimizer": "sgd", "curve": "plateau", "curve_options": {"patience": 1}},
        pytest.param(
            {
                "augment": "light",
                "synthetic_defects": SyntheticDefects({"dot": "blob"}, 0.2, "plain"),
            },
            marks=pytest.mark.proof,
        ),
    ],
    ids=["schedule_free", "plateau", "synthetic"],
)
def test_other_steps_end_alike_too(part_sets, small, tmp_path, often, changes):
    train, val, _ = part_sets
    changes = {**changes, "batch_size": 8}
    whole = small(5, **changes)
    whole.fit(train, val, verbose=False)
    with pytest.raises(Cut):
        small(5, **changes).fit(
            train, val, verbose=False, callbacks=[CutAt(3)], run_folder=tmp_path / "cut"
        )
    resumed = small(5, **changes)
    resumed.fit(
        train, val, verbose=False, callbacks=[CutAt(99)], run_folder=tmp_path / "cut", resume=True
    )
    same(facts(whole), facts(resumed))


@pytest.fixture(scope="module")
def small(tiny_spec):
    """Makes recipes that train the head alone, on a tiny backbone."""

    def recipe(epochs, **changes):
        settings = {"image_size": (48, 48), "augment": "none", "seed": 3}
        schedule = UnfreezeSchedule.head_only(epochs=epochs)
        return ImageClassifier(tiny_spec(), **{**settings, "schedule": schedule, **changes})

    return recipe


@pytest.fixture(scope="module")
def finished(small, part_sets, tmp_path_factory):
    """The folder of a finished run of the head alone; not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "parts"
    small(1).fit(*part_sets[:2], verbose=False, run_folder=folder)
    return folder


def test_the_folder_explains_itself(finished, part_sets, small):
    names = {path.name for path in finished.iterdir()}
    assert names == {
        "checkpoint", "config.json", "console.log", "curves.png", "environment.json",
        "index.html", "lock", "metrics.csv", "metrics.jsonl", "recipe.toml", "report.json",
    }  # fmt: skip
    config = json.loads((finished / "config.json").read_text())
    assert ImageClassifier.from_config(config["recipe"]).get_config() == small(1).get_config()
    assert config["data"]["digests"]["train"] == part_sets[0].digest()
    assert config["versions"]["keras"] == keras.__version__
    assert "Stage 'head'" in (finished / "console.log").read_text()
    (environment,) = json.loads((finished / "environment.json").read_text())
    assert environment["packages"]["numpy"] == np.__version__
    assert set(lines(finished)[0]) >= {"stage", "epoch", "loss", "val_accuracy", "learning_rate"}
    assert (finished / "curves.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader((finished / "metrics.csv").open(encoding="utf-8")))
    assert [row["loss"] for row in rows] == [str(line["loss"]) for line in lines(finished)]
    page = (finished / "index.html").read_text("utf-8")
    assert "Finished." in page and 'http-equiv="refresh"' not in page
    assert "Validation after stage" in page and "The finished model on the split" in page


def test_the_folder_is_enough_to_run_it_again(part_sets, make, tiny_spec, tmp_path, monkeypatch):
    """Its `config.json` makes the recipe again, whose fit ends with the very same weights.

    Nothing is kept of the second: keeping a run changes nothing.
    """
    monkeypatch.setitem(backbones._REGISTRY.added, "tiny", tiny_spec())
    settings = {"augment": Augmentation(flip_vertical=True), "adapter": BitFit(), "loss": "focal"}
    recipe = make(**settings, loss_options={"gamma": 3.0})
    recipe.fit(*part_sets[:2], verbose=False, run_folder=tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    again = ImageClassifier.from_config(config["recipe"])
    again.fit(*part_sets[:2], verbose=False)
    same(facts(recipe), facts(again))


def test_a_run_is_never_begun_over_another(finished, part_sets, small):
    with pytest.raises(DataError, match="holds a run already. Pass `resume=True`"):
        small(1).fit(*part_sets[:2], verbose=False, run_folder=finished)


def test_nothing_to_resume(part_sets, tmp_path, small):
    with pytest.raises(DataError, match="There is no run in .* to resume"):
        small(1).fit(*part_sets[:2], verbose=False, run_folder=tmp_path / "no", resume=True)
    assert not (tmp_path / "no").exists()
    with pytest.raises(ValueError, match="`resume=True` has no effect without `run_folder`"):
        small(1).fit(*part_sets[:2], verbose=False, resume=True)


def test_what_differs_is_named(finished, part_sets, small):
    train, val, test = part_sets
    for recipe, photos, told in (
        (small(2), train, r"recipe.schedule was \[.* and is "),
        (small(1, dropout=0.5), train, "recipe.dropout was 0.2 and is 0.5"),
        (small(1), test, "data.digests.train was "),
        (small(1), train.select(range(len(train))[::-1]), r"data.orders was "),
    ):
        with pytest.raises(DataError, match=f"began with something else: {told}"):
            recipe.fit(photos, val, verbose=False, run_folder=finished, resume=True)


def test_a_log_that_was_changed_is_told(finished, part_sets, tmp_path, small, capfd):
    run = shutil.copytree(finished, tmp_path / "run")
    log = run / "metrics.jsonl"
    before = log.read_bytes()
    line = before.splitlines(keepends=True)[0]
    log.write_bytes(before.replace(line, line.replace(b"e", b"\xff")) + line + b"note\n")
    small(1).fit(*part_sets[:2], run_folder=run, resume=True)
    said = capfd.readouterr().err
    assert "not as the run wrote it in 1 of its lines, line 1 first" in said
    assert "has 2 lines at its end that this run did not write: they are removed" in said
    assert log.read_bytes() == before


def test_a_recipe_that_was_changed_is_told(finished, part_sets, tmp_path, small, capfd):
    run = shutil.copytree(finished, tmp_path / "run")
    file = run / "recipe.toml"
    before = file.read_text()

    def resume():
        small(1).fit(*part_sets[:2], run_folder=run, resume=True)

    file.write_text(before.replace("\ndropout = 0.2", "\ndropout = 0.3"))
    told = "recipe.toml' was changed since the run began: dropout was 0.2 and is 0.3.* remove the"
    with pytest.raises(DataError, match=told):
        resume()
    assert file.read_text() != before
    file.write_text("dropout = ")
    with pytest.raises(DataError, match="recipe.toml' is damaged: Invalid value"):
        resume()
    file.write_text(noted := before + "# of the first try\n")
    resume()
    assert file.read_text() == noted
    file.unlink()
    resume()
    assert "The run lacks 'recipe.toml', which is written anew" in capfd.readouterr().err
    assert file.read_text() == before


def test_a_damaged_config_is_no_other_run(finished, part_sets, tmp_path, small):
    (tmp_path / "config.json").write_bytes((finished / "config.json").read_bytes()[:-9])
    with pytest.raises(DataError, match="config.json' is damaged: .* Restore it from a copy"):
        small(1).fit(*part_sets[:2], verbose=False, run_folder=tmp_path, resume=True)


def test_two_runs_in_one_folder(finished, part_sets, small):
    holder = subprocess.Popen(
        [sys.executable, "-c", LOCK, finished], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "locked\n"
    told = rf"Process {holder.pid} is at work in '.*parts'. Wait until it ends"
    with pytest.raises(DataError, match=told):
        small(1).fit(*part_sets[:2], verbose=False, run_folder=finished, resume=True)
    holder.kill()  # a lock does not outlive its process
    holder.wait()
    with RunFolder(finished, resume=True).locked():
        pass


LOCK = """
import sys, time
from kerasrecipes.cli import main
from kerasrecipes.engine.run_folder import RunFolder
with RunFolder(sys.argv[1], resume=True).locked():
    print("locked", flush=True)
    time.sleep(60)
"""


def test_a_place_that_cannot_be_written(part_sets, tmp_path, small):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="Nothing was saved in .*file/run"):
        small(1).fit(*part_sets[:2], verbose=False, run_folder=tmp_path / "file" / "run")


def test_damaged_states_are_told_and_never_begun_anew(part_sets, tmp_path, capfd, small):
    recipe = small(2)
    recipe.fit(*part_sets[:2], verbose=False, run_folder=tmp_path)
    stages = sorted((tmp_path / "checkpoint" / "stages").glob("*.npz"))
    assert len(stages) == 2
    stages[-1].write_bytes(stages[-1].read_bytes()[:-1])
    again = small(2)
    again.fit(*part_sets[:2], run_folder=tmp_path, resume=True)
    same(facts(recipe), facts(again))
    assert re.search("Warning: .*state-000002.npz' is damaged", capfd.readouterr().err)
    for path in (tmp_path / "checkpoint" / "stages").glob("*.npz"):
        path.write_bytes(b"")
    with pytest.raises(IntegrityError, match="no state left to go on from"):
        small(2).fit(*part_sets[:2], verbose=False, run_folder=tmp_path, resume=True)


@pytest.mark.parametrize(
    ("gone", "left"),
    [
        (["checkpoint"], "'metrics.jsonl', 'console.log', 'report.json': states were"),
        (
            ["checkpoint/stages", "metrics.jsonl", "console.log", "report.json"],
            "'checkpoint/epochs-1/state-",
        ),
        (["checkpoint", "metrics.jsonl", "report.json"], "'console.log'"),
        (["checkpoint", "metrics.jsonl", "console.log"], "'report.json'"),
    ],
)
def test_removed_states_are_told_and_never_begun_anew(
    finished, part_sets, tmp_path, small, gone, left
):
    run = shutil.copytree(finished, tmp_path / "run")
    remove(run, gone)
    before = files(run)
    with pytest.raises(IntegrityError, match=f"stages' holds no state .* epochs in .*{left}"):
        small(1).fit(*part_sets[:2], verbose=False, run_folder=run, resume=True)
    assert {name: text for name, text in before.items() if name not in WRITTEN} == {
        name: text for name, text in files(run).items() if name not in WRITTEN
    }


# What each start adds to.
WRITTEN = {"console.log", "environment.json", "lock"}


def remove(folder, names):
    for name in names:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def files(folder):
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.mark.parametrize("linked", ["checkpoint", "checkpoint/stages"])
def test_states_that_lie_elsewhere_are_neither_read_nor_written(finished, tmp_path, linked):
    run = shutil.copytree(finished, tmp_path / "run")
    shutil.move(run / linked, tmp_path / "elsewhere")
    (run / linked).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=f"{linked}' is a link, .* inside the run alone. Put what"):
        with RunFolder(run, resume=True).locked():
            pass


def test_a_run_without_its_plan_is_neither_resumed_nor_begun_over(finished, part_sets, tmp_path):
    run = shutil.copytree(finished, tmp_path / "run")
    remove(run, ["config.json"])
    left = "'checkpoint', 'metrics.jsonl', 'report.json'"
    with pytest.raises(DataError, match=f"lacks 'config.json', which .* there is {left}. Restore"):
        with RunFolder(run, resume=True).locked():
            pass
    with pytest.raises(DataError, match=f"what is left of a run: {left}. Name another folder"):
        with RunFolder(run).locked():
            pass


def test_what_is_trained_again_or_written_anew_is_told(part_sets, tmp_path, small, often, capfd):
    run = tmp_path / "run"

    def said(**options):
        """Fit, and return what is said."""
        capfd.readouterr()
        small(3, batch_size=8).fit(*part_sets[:2], run_folder=run, **options)
        return capfd.readouterr().err

    with pytest.raises(Cut):
        said(callbacks=[CutAt(2)])
    text = (run / "metrics.jsonl").read_text()
    assert text.count("\n") == 2
    (run / "metrics.jsonl").write_text(text.replace('"loss": ', '"loss": 9', 1))
    with pytest.raises(Cut):
        said(callbacks=[CutAt(0)], resume=True)
    told = "'metrics.jsonl' is not as the run wrote it in 1 of its lines, line 1 first: they are"
    assert told in capfd.readouterr().err
    assert (run / "metrics.jsonl").read_text() == text
    remove(run, ["checkpoint/epochs-1", "environment.json"])
    told = said(callbacks=[CutAt(9)], resume=True)
    assert "The log has 2 more epochs of stage 'head', whose state is not in 'checkpoint'" in told
    assert "The run lacks 'environment.json', which now begins with this start." in told
    whole = (run / "metrics.jsonl").read_text()
    assert whole.startswith(text) and whole.count("\n") == 3
    remove(run, ["metrics.jsonl"])
    told = said(callbacks=[CutAt(9)], resume=True)
    assert "'metrics.jsonl' lacks 3 epochs, which are added from the checkpoint" in told
    assert "trained again" not in told
    assert (run / "metrics.jsonl").read_text() == whole


def test_no_room_for_what_was_kept_before_the_break(part_sets, make, tmp_path, monkeypatch):
    with pytest.raises(Cut):
        make().fit(*part_sets[:2], verbose=False, callbacks=[CutAt(1)], run_folder=tmp_path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kerasrecipes.engine.frozen.prefix_cache._unnamed_array", full)
    with pytest.raises(OSError, match="cannot go on as it was: .* Free some space, then resume"):
        make().fit(
            *part_sets[:2], verbose=False, callbacks=[CutAt(9)], run_folder=tmp_path, resume=True
        )


def test_callbacks_without_a_state_are_told(part_sets, tmp_path, capfd, small):
    forgetful = keras.callbacks.LambdaCallback()
    small(1).fit(*part_sets[:2], callbacks=[forgetful], run_folder=tmp_path)
    told = "Note: 'LambdaCallback' cannot be resumed, having no `get_state`"
    assert told in capfd.readouterr().err
    assert told in (tmp_path / "console.log").read_text()


def test_a_run_folder_in_the_wrong_place(part_photos, tmp_path):
    for run, told in (
        (part_photos / "run", "lies inside the photos .* e.g. runs/my_run"),
        (tmp_path / "m" / "run", "lies inside the model's folder"),
    ):
        with pytest.raises(DataError, match=told):
            fine_tune_images(part_photos, tmp_path / "m", run_folder=run, verbose=False)


EACH = """
import json
for command in json.loads(sys.argv[1]):
    try:
        main(command)
    except SystemExit as end:
        assert not end.code
"""


@pytest.mark.proof
def test_killed_and_resumed_from_the_command_line(part_photos, tmp_path, tiny_command):
    def command(name):
        return [
            "train", str(part_photos), "--to", str(tmp_path / name), "--image-size", "48",
            "--run", str(tmp_path / f"run-{name}"), "--backbone", "tiny", "--set", "views=2",
            "--set", "schedule.epochs=20", "--set", "schedule.head_epochs=3",
        ]  # fmt: skip

    killed = subprocess.Popen(
        [*tiny_command, *command("cut")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    metrics = tmp_path / "run-cut" / "metrics.jsonl"
    while not (metrics.is_file() and '"top"' in metrics.read_text()):
        assert killed.poll() is None
        time.sleep(0.01)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    assert lines(tmp_path / "run-cut")[-1]["epoch"] < 20

    # Not in this process, where other tests have chosen other operations.
    both = json.dumps([[*command("cut"), "--resume"], command("whole")])
    *python, code, fixtures = tiny_command
    subprocess.run([*python, code.replace("\nmain()", EACH), fixtures, both], check=True)
    models = [
        ImageClassifier.load(tmp_path / name).model_.get_weights() for name in ("cut", "whole")
    ]
    for one, other in zip(*models, strict=True):
        np.testing.assert_array_equal(one, other)
    assert lines(tmp_path / "run-cut") == lines(tmp_path / "run-whole")
    config = json.loads((tmp_path / "run-cut" / "config.json").read_text())
    assert config["photos"]["source"] == str(part_photos)
