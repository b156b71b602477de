"""Every verb of the command line, its exit code, and what it says."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import typer

from kerasrecipes import Bundle, IntegrityError, VerificationError, __version__, list_losses
from kerasrecipes.cli import OPTIONS, app
from kerasrecipes.cli.options import LossName
from tiny_bundle import reseal

VERBS = [
    "ls", "cp", "doctor", "show-augmentation", "recommend", "init", "train", "ablate", "tune",
    "auto", "evaluate", "mistakes", "stress", "over-time", "compare", "operate", "export",
    "starter", "report", "verify", "sign", "benchmark", "predict", "score", "explain", "review",
    "drift", "monitor", "edge", "collect", "check", "promote", "retrain", "rollback", "rollout",
    "history", "diff", "bom",
    "serve", "new-key", "optimize", "prune", "quantize", "distil",
]  # fmt: skip
QUICK = ("--epochs", 1, "--image-size", 48, "--augment", "none", "--backbone", "tiny")


def test_there_are_no_other_verbs():
    assert [command.name or command.callback.__name__ for command in app.registered_commands] == (
        VERBS
    )


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_every_verb(kr, verb):
    code, out, _ = kr(verb, "--help")
    assert code == 0 and f"Usage: kerasrecipes {verb}" in out


def test_losses_that_need_an_option_are_left_out():
    assert {"expected_cost", *(loss.value for loss in LossName)} == set(list_losses())


def test_help_lists_the_verbs(kr, shell):
    code, out, _ = kr("--help")
    assert code == 0 and all(f"\n  {verb} " in out for verb in VERBS)
    assert shell("--help").stdout == out
    code, out, err = kr()
    assert code == 2 and "Usage: kerasrecipes" in out + err
    assert kr("--version")[:2] == (0, f"{__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["doctr", "x"], "No such command 'doctr'. Did you mean 'doctor'?"),
        (["train", "x", "--too", "y"], "No such option: --too"),
        (["train", "x"], "Missing option '--to'"),
        (["predict", "x"], "Missing argument"),
        (["train", "x", "--to", "y", "--augment", "facory"], "'none', 'flips', 'light', 'factory'"),
        (["train", "x", "--to", "y", "--loss", "focl"], "'cross_entropy', 'balanced_softmax', 'fo"),
        (["train", "x", "--to", "y", "--seed", "-1"], "greater than or equal to 0"),
        (["train", "x", "--to", "y", "--seed", "99999999999"], "less than or equal to 2147483647"),
        (["train", "x", "--to", "y", "--image-size", "100000"], "less than or equal to 2048"),
        (["train", "x", "--to", "y", "--epochs", "few"], "'--epochs'"),
        (["benchmark", "x", "--runs", "9"], "greater than or equal to 10"),
        (["benchmark", "x", "--plot", "x.jpg"], "name a file that ends with .png, in a folder"),
        (["benchmark", "x", "--plot", "no/x.png"], "in a folder that exists"),
        (["score", "x", "y"], "Missing option '--to'"),
        (["doctor", "x", "--split", "tim"], "'auto', 'random', 'group', 'time'"),
    ],
)
def test_wrong_usage_exits_with_2(kr, arguments, message):
    code, out, err = kr(*arguments)
    assert code == 2 and message in err and out == ""


def one_line(err: str) -> str:
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["doctor", "{photo}s"], "no folder or table '.*photoss'. Did you mean 'photos'"),
        (["train", "{photos}", "--to", "{new}", "--backbone", "efficientnet_lite"],
         "Unknown backbone 'efficientnet_lite'. Did you mean 'efficientnet_lite"),
        (["train", "{photos}", "--to", "{new}", "--image-size", "16"], "`image_size` 16x16 is too"),
        (["train", "{photos}", "--to", "{new}", "--weights", "imagenet"], "`weights='imagenet'`"),
        (["train", "{photos}", "--to", "{new}", "--backbone", "mobilenet_v2"], "imagenet"),
        (["train", "{photos}", "--to", "{new}", "--epochs", "0"], "`epochs` must be at least 1"),
        (["train", "{photos}", "--to", "{photos}/m"], "lies inside the photos in .* taken for a"),
        (["train", "{photos}", "--to", "{model}/1"], "is one version of a model. Name the folder"),
        (["train", "{photos}", "--to", "{model}/.."], "holds folders that are no versions of a mo"),
        (["train", "{photos}", "--to", "{photos}.csv/m"], "OSError|NotADirectoryError|photos.csv"),
        (["evaluate", "{model}s", "{photos}"], "no saved model in .*. Did you mean 'parts'"),
        (["evaluate", "{photos}", "{model}"], "no saved model in .*photos'"),
        (["evaluate", "{model}", "{photos}/none"], "There is no folder or table"),
        (["export", "{model}", "--format", "tflit"], "Unknown format 'tflit'. Did you mean 'tflit"),
        (["starter", "{model}", "app", "--language", "kotlim"], "Did you mean 'kotlin'"),
        (["export", "{model}", "--quantization", "int9"], "Unknown quantization .* 'int8'"),
        (["export", "{model}", "--quantization", "float16", "--keep-float", "0.1"],
         "`keep_float` has no effect on 'float16'"),
        (["export", "{model}"], r"exists already. Pass overwrite=True \(--overwrite\)"),
        (["verify", "{photos}"], "no saved model in .*photos'"),
        (["verify", "{model}/1/exports/tflite-float32"],
         "no saved model in .*It is a part of one: give the folder '.*/parts/1'"),
        (["benchmark", "{model}/1/model.keras"], "part of one: give the folder '.*parts/1'"),
        (["benchmark", "{model}/.."], "It holds 'parts': give one of these, e.g. '.*parts'"),
        (["benchmark", "{model}", "{photos}/none"], "There is no folder or table"),
        (["predict", "{photos}", "{photos}"], "no saved model in .*photos'"),
        (["predict", "{model}", "{photos}", "--export", "tflite-int8"], "Unknown export"),
        (["cp", "defect_detecton", "{new}"], "Unknown recipe .* Did you mean 'defect_detection'"),
        (["cp", "defect_detection", "{photos}"], "photos' is not empty. Name a new folder"),
        (["cp", "defect_detection", "{photos}.csv"], "photos.csv' is not empty"),
    ],
)  # fmt: skip
def test_errors_are_one_clear_line(kr, photos, model, tmp_path, arguments, message, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos.csv").write_text("path,label\n")
    before = sorted(tmp_path.rglob("*"))
    names = {"photos": photos, "photo": str(photos)[:-1] + "s", "model": model, "new": "new"}
    code, out, err = kr(*(argument.format(**names) for argument in arguments))
    assert code == 1 and out == ""
    assert re.search(message, one_line(err))
    assert sorted(tmp_path.rglob("*")) == before


def test_errors_speak_of_options_by_their_names(kr, photos, tmp_path, tiny_known):
    commands = typer.main.get_command(app).commands.values()
    options = {name for command in commands for one in command.params for name in one.opts}
    assert set(OPTIONS.values()) <= options
    named = {f"--{name.replace('_', '-')}" for name in OPTIONS if name.isidentifier()}
    # Flags, a file where Python takes a matrix, and what `serve` alone has; any other would need no
    # other name.
    serving = {
        "--batch", "--batch-delay-ms", "--host", "--keep-photos", "--keys", "--max-body-mb",
        "--max-length", "--otel", "--review-queue", "--without-keys",
    }  # fmt: skip
    assert named & options == {"--resume", "--leave-out-seen", "--costs", *serving}
    to = ("--to", tmp_path / "new", *QUICK)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}")
    for arguments, message in (
        (("train", photos, *to, "--resume"), "`--resume` has no effect without `--run`. Name the"),
        (("train", photos, *to, "--run", tmp_path / "no", "--resume"), "or leave `--resume` out"),
        (("train", photos, *to, "--run", tmp_path / "run"), "already. Pass `--resume` to go on"),
        (("recommend", photos, "--max-ms", -1), "`--max-ms` must be above 0"),
        (("recommend", photos, "--max-mb", 0), "`--max-mb` must be above 0"),
        # All others stay as they are.
        (("train", photos, *to, "--val-fraction", 2), "`val_fraction` must"),
    ):
        code, _, err = kr(*arguments)
        assert code == 1 and message in err.splitlines()[-1]


def test_debug_shows_where_an_error_came_from(kr, monkeypatch):
    monkeypatch.setenv("KERASRECIPES_DEBUG", "1")
    from kerasrecipes.cli import main

    with pytest.raises(ValueError, match="no folder or table"):
        main(["doctor", "nowhere"])


def test_ls(kr):
    code, out, _ = kr("ls")
    _, as_json, _ = kr("ls", "--json")
    found = json.loads(as_json)
    assert code == 0 and list(found) == ["backbones", "recipes", "formats"]
    assert "efficientnet_lite0" in found["backbones"] and "tflite" in found["formats"]
    assert found["recipes"]["defect_detection"].startswith("Find defective parts on photos")
    for entries in found.values():
        for name, summary in entries.items():
            assert re.search(rf"^  {name} +{re.escape(summary)}$", out, re.MULTILINE)


def test_cp(kr, tmp_path):
    code, out, _ = kr("cp", "defect_detection", tmp_path / "my line")
    assert code == 0 and "'README.md'" in out and "'detect_defects.py'" in out
    assert (tmp_path / "my line" / "detect_defects.py").is_file()


def test_doctor(kr, photos):
    code, out, err = kr("doctor", photos)
    assert code == 0 and err == ""
    assert re.search(r"dot +16", out) and "WARNING tiny" in out
    code, out, _ = kr("doctor", photos, "--json", "--split", "auto")
    assert code == 0 and json.loads(out)
    (photos / "dot" / "broken.png").write_bytes(b"<html>")
    (photos / "dot" / "empty.png").write_bytes(b"")
    code, out, _ = kr("doctor", photos)
    assert "broken.png" in out and "empty.png" in out


def test_doctor_judges_a_random_split_of_grouped_photos(kr, photos):
    random = ("--group-by", r"/(\d)\d", "--split", "random")
    code, out, _ = kr("doctor", photos, *random)
    assert code == 1 and "groups-across-splits: 2 of 2 groups lie on two sides" in out
    assert kr("doctor", photos, *random, "--fail-on-leak")[0] == 1
    code, out, _ = kr("doctor", photos, "--group-by", r"(\d)\.png", "--split", "group",
                      "--fail-on-leak")  # fmt: skip
    assert code == 0, out
    code, out, err = kr("doctor", photos, "--fail-on-leak")
    assert code == 2 and out == "" and "there is no split that could leak" in err


def sha256(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_from_photos_to_predictions(kr, photos, tmp_path, tiny_known):
    to = tmp_path / "saved_models" / "parts"
    code, out, err = kr("train", photos, "--to", to, "--loss", "focal", *QUICK)
    assert code == 0
    recipe = json.loads((to / "1" / "report.json").read_text())["recipe"]
    assert recipe["loss"] == "focal"
    assert f"Saved to {to}/1." in out and f"Next: kerasrecipes export {to}/1" in out
    assert "Stage 'head'" in err and "test photos" in err

    code, out, _ = kr("evaluate", to, photos)
    assert code == 0 and "39 photos are left out: the model was trained or chosen on them" in out
    code, out, _ = kr("evaluate", to, photos, "--json")
    found = json.loads(out)
    assert found["left_out"] == 39 and found["n"] == 9

    code, out, _ = kr("export", to)
    assert code == 0 and "tflite-float32: verified" in out
    assert f"Written to {to}/1/exports/tflite-float32/model.tflite" in out
    code, out, _ = kr("export", to, "--overwrite", "--json")
    assert code == 0 and json.loads(out)["verification"]["passed"] is True

    code, out, _ = kr("verify", to)
    assert code == 0 and "tflite-float32: verified" in out
    code, out, _ = kr("verify", to, "--json")
    assert code == 0 and [one["name"] for one in json.loads(out)] == ["tflite-float32"]

    code, out, err = kr("predict", to, photos / "dot", photos / "plain" / "00.png")
    assert code == 0 and err == "" and len(out.splitlines()) == 17
    assert re.match(r" *\d+\.\d%  (dot|plain|stripe)  .*photos/dot/00.png$", out.splitlines()[0])
    code, out, _ = kr("predict", to, photos / "dot", "--json", "--export", "tflite-float32")
    rows = [json.loads(line) for line in out.splitlines()]
    assert len(rows) == 16 and set(rows[0]["scores"]) == {"dot", "plain", "stripe"}
    code, out, _ = kr("predict", to / "1/exports/tflite-float32/model.tflite", photos / "dot")
    assert code == 0 and len(out.splitlines()) == 16


def test_all_photos_were_seen(kr, model, part_sets, tmp_path):
    train = part_sets[0]
    for photo in train.photos:
        (tmp_path / "seen" / photo.label).mkdir(parents=True, exist_ok=True)
        shutil.copy(photo.path, tmp_path / "seen" / photo.label)
    code, _, err = kr("evaluate", model, tmp_path / "seen")
    assert code == 1 and "was trained on all 24 photos of" in one_line(err)


def test_declared_splits_and_groups_are_respected(kr, photos, tmp_path, tiny_known):
    names = sorted(photos.rglob("*.png"))
    table = tmp_path / "parts.csv"
    sides = {name: ("train", "train", "val", "test")[i % 4] for i, name in enumerate(names)}
    rows = [f"{n.relative_to(tmp_path)},{n.parent.name},{s},{n.stem}" for n, s in sides.items()]
    table.write_text("\n".join(["path,label,split,part", *rows]))
    code, _, err = kr("train", table, "--to", tmp_path / "m", "--group-by", "part", *QUICK)
    assert code == 0, err
    seen = [json.loads(line) for line in (tmp_path / "m/1/data.jsonl").read_text().splitlines()]
    assert {row["sha256"]: row["split"] for row in seen} == {
        sha256(name): side for name, side in sides.items()
    }
    table.write_text("\n".join(["path,label,split,part", *rows[:-1], f"{rows[-1]}".replace(
        rows[-1].split(",")[2], "later")]))  # fmt: skip
    code, _, err = kr("train", table, "--to", tmp_path / "m", *QUICK)
    assert code == 1 and "row 49 has the split 'later'" in err


def test_a_group_stays_on_one_side(kr, photos, tmp_path, tiny_known):
    table = tmp_path / "parts.csv"
    rows = [f"{n},{n.parent.name},{int(n.stem) // 2}" for n in photos.rglob("*.png")]
    table.write_text("\n".join(["path,label,group", *rows]))
    code, _, err = kr("train", table, "--to", tmp_path / "m", "--fail-on-leak", *QUICK)
    assert code == 0, err
    seen = [json.loads(line) for line in (tmp_path / "m/1/data.jsonl").read_text().splitlines()]
    side = {row["sha256"]: row["split"] for row in seen}
    for row in rows:
        path, label, group = row.split(",")
        twins = photos.glob(f"{label}/*.png")
        assert {side[sha256(t)] for t in twins if int(t.stem) // 2 == int(group)} == {
            side[sha256(photos / path)]
        }


def test_a_leak_stops_the_training_when_asked(kr, photos, tmp_path, tiny_known):
    code, _, err = kr(
        "train", photos, "--to", tmp_path / "m", "--group-by", r"/(\d)\d", "--split-by", "random",
        "--fail-on-leak", *QUICK,
    )  # fmt: skip
    assert code == 1 and "The split leaks: " in err and "Nothing was trained" in err
    assert not (tmp_path / "m").exists()


def test_a_changed_file_exits_with_4(kr, model):
    file = model / "1" / "model.keras"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    for verb in (["verify"], ["export", "--quantization", "int8"]):
        code, out, err = kr(verb[0], model, *verb[1:])
        assert code == 4 == IntegrityError.exit_code and out == ""
        assert "changed: 'model.keras'" in one_line(err)


def test_swapped_labels_exit_with_4(kr, model, photos):
    file = model / "1" / "bundle.json"
    text = file.read_text()
    swapped = re.sub(r'"dot",(\s+)"plain"', r'"plain",\1"dot"', text)
    assert swapped != text
    file.write_text(swapped)
    for verb in (["verify"], ["predict", photos]):
        code, out, err = kr(verb[0], model, *verb[1:])
        assert code == 4 and out == "" and "changed: 'bundle.json'" in one_line(err)


def test_a_worse_file_exits_with_3(kr, model, monkeypatch):
    from kerasrecipes.verify import tolerance

    shutil.rmtree(model / "1" / "exports")
    strict = tolerance.Tolerance(max_score_gap=0.0)
    monkeypatch.setattr(
        tolerance.Tolerance, "for_quantization", classmethod(lambda cls, name: strict)
    )
    code, out, err = kr("export", model, "--quantization", "dynamic")
    assert code == 3 == VerificationError.exit_code and out == ""
    assert "was not added to the bundle: the largest score gap" in one_line(err)
    assert list((model / "1" / "exports").iterdir()) == []


def test_verify_exits_with_3_when_a_limit_is_missed(kr, model):
    file = model / "1" / "exports" / "tflite-float32" / "export.json"
    record = json.loads(file.read_text())
    record["verification"]["tolerance"]["max_score_gap"] = 0.0
    file.write_text(json.dumps(record))
    reseal(Bundle.load(model))
    code, out, _ = kr("verify", model)
    assert code == 3 and "tflite-float32: FAILED" in out
    code, out, _ = kr("verify", model, "--json")
    assert code == 3 and json.loads(out)[0]["passed"] is False


def test_predict_goes_on_after_a_bad_photo(kr, model, photos):
    (photos / "dot" / "01.png").write_bytes(b"not a photo")
    code, out, err = kr("predict", model, photos / "dot", photos / "nowhere.png")
    assert code == 1 and len(out.splitlines()) == 15
    assert "01.png" in err and "nowhere.png" in err
    code, out, err = kr("predict", model, photos / "dot", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 1 and err == "" and len(rows) == 16
    assert sum(bool(row["error"]) for row in rows) == 1


def test_ctrl_c_before_there_is_anything_to_keep(kr, photos, tmp_path, tiny_known, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    from kerasrecipes.training import fine_tune

    recipe, tools = fine_tune._FOR_PHOTOS["ImageClassifier"]
    tools = replace(tools, check=interrupted)
    monkeypatch.setitem(fine_tune._FOR_PHOTOS, "ImageClassifier", (recipe, tools))
    code, _, err = kr("train", photos, "--to", tmp_path / "m", *QUICK)
    assert code == 130 and "Interrupted; nothing was saved." in err
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    "begin", [["-m", "kerasrecipes"], ["-c", "from kerasrecipes.__main__ import main; main()"]]
)
def test_ctrl_c_while_the_command_line_is_imported(begin, tmp_path):
    (tmp_path / "typer.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)\n")
    settings = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    hear = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    done = subprocess.run([sys.executable, *begin, "ls"], env=settings, check=False,
                          capture_output=True, text=True, **hear)  # fmt: skip
    assert (done.returncode, done.stdout) == (-signal.SIGINT, "")
    assert done.stderr == "\nInterrupted; nothing was saved.\n"


@pytest.mark.proof
def test_ctrl_c_while_it_trains_keeps_what_there_is(photos, tmp_path, tiny_command):
    command = [*tiny_command, "train", photos, "--to", tmp_path / "m"]
    options = ["--epochs", "3000", "--image-size", "48", "--backbone", "tiny"]
    # Also where the tests run in the background, which ignores the signal.
    hear = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    with subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True,
                          stdout=subprocess.PIPE, **hear) as process:  # fmt: skip
        for line in process.stderr:
            if re.search(r"top +2/3000", line):
                break
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130 and "Traceback" not in err
    assert "Interrupted in stage 'top': the best weights so far are kept." in err
    assert "Saved to" in out and "nothing was saved" not in err
    assert json.loads((tmp_path / "m/1/report.json").read_text())["interrupted"] is True


def test_benchmark(kr, model, photos, tmp_path):
    code, out, err = kr("benchmark", model, "--runs", 10, "--plot", tmp_path / "b.png")
    assert code == 0 and "1 export of " in out and "tflite-float32" in out
    assert err == f"Drawn in {tmp_path / 'b.png'}\n"
    assert (tmp_path / "b.png").read_bytes()[:4] == b"\x89PNG"
    code, out, err = kr("benchmark", model, photos, "--runs", 10, "--json", "--profile")
    found = json.loads(out)
    assert (
        code == 0 and err == "" and found["left_out"] + found["photos"] == 48 and found["left_out"]
    )
    assert found["profiles"]["tflite-float32"][0]["ms"] > 0


def resealed(record: Path, text: str) -> None:
    record.write_text(text)
    reseal(Bundle.load(record.parents[2]))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda record: record.unlink(), "missing: 'tflite-float32/export.json'"),
        (lambda record: record.write_text("{"), "changed: 'tflite-float32/export.json'"),
        (lambda record: resealed(record, "{"), "export.json' is damaged: it is not valid JSON"),
        (lambda record: resealed(record, '{"format": "tflite"}'), "it lacks 'quantization'. Exp"),
    ],
)
def test_damaged_records_exit_with_4(kr, model, damage, message):
    damage(model / "1/exports/tflite-float32/export.json")
    for verb in ("verify", "benchmark"):
        code, out, err = kr(verb, model)
        assert code == 4 and out == "" and message in one_line(err)


def test_a_record_without_its_numbers_exits_with_4(kr, model):
    record = model / "1/exports/tflite-float32/export.json"
    stated = json.loads(record.read_text())
    resealed(record, json.dumps({**stated, "verification": {"passed": True}}))
    code, _, err = kr("verify", model)
    assert code == 4 and "export.json' was changed: its verification is not one any more" in err


def test_every_command_with_photos_takes_the_columns_of_a_table():
    commands = typer.main.get_command(app).commands
    options = {
        name: {one for parameter in command.params for one in parameter.opts}
        for name, command in commands.items()
        if "photos" in {parameter.name for parameter in command.params}
    }
    asking = {
        name for name, given in options.items() if {"--label", "--labels", "--value"} <= given
    }
    # These want photos without answers, or have them from a file of gates.
    assert set(options) - asking == {"predict", "drift", "explain", "check"}
    assert len(asking) == 20


def test_a_column_is_named_where_a_saved_model_is_judged(kr, model, photos, tmp_path):
    found = sorted(photos.rglob("*.png"))[::5]
    rows = [f"{path},{path.parent.name},9" for path in found]
    table = tmp_path / "told.csv"
    table.write_text("\n".join(["path,kind,label", *rows]))
    code, _, err = kr("evaluate", model, table)
    assert code == 1 and "'9'" in err
    code, out, _ = kr("evaluate", model, table, "--label", "kind", "--json")
    assert code == 0 and 0 < json.loads(out)["n"] <= len(found)
    code, _, err = kr("evaluate", model, photos, "--label", "kind")
    assert code == 1 and "names columns of a table" in err
    code, _, err = kr("benchmark", model, "--label", "kind")
    assert code == 2 and "there are no photos. Name a table." in err


def test_a_column_is_named_where_there_is_no_model_yet(kr, photos, tmp_path):
    table = tmp_path / "told.csv"
    table.write_text(
        "\n".join(["path,kind", *(f"{p},{p.parent.name}" for p in photos.rglob("*.png"))])
    )
    code, _, err = kr("mistakes", table)
    assert code == 1 and "label" in err
    code, _, err = kr("over-time", table, "--label", "kind")
    assert code == 1 and "time" in err and "label" not in err
    code, _, err = kr("mistakes", table, "--text", "kind")
    assert code == 2 and "it is not for photos" in err


@pytest.mark.parametrize(
    "words",
    [
        ("promote", "{model}", 1, "--gates"), ("retrain", "{model}", "{model}", "--gates"),
        ("operate", "{model}", "--costs"), ("check", "{model}", "--budget"),
        ("monitor", "{model}/journal.db", "--bundle", "{model}", "--settings"),
        ("rollout", "start", "{model}", "--policy"),
    ],
)  # fmt: skip
def test_the_option_of_a_file_that_cannot_be_opened_is_named(kr, model, words):
    (model / "journal.db").touch()
    code, _, err = kr(*(str(word).format(model=model) for word in words), "no file")
    assert code == 1 and "'no file'" in err and err.endswith(f". It was named by {words[-1]}.\n")
