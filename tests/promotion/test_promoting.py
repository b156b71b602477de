"""An alias means another version only through the gates, at once or not at all, and in the log."""

import json
import re
import subprocess
import sys
import threading

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.bundles.aliases import read_aliases
from kerasrecipes.files import locked_folder
from kerasrecipes.promotion import judging


def test_versions_are_promoted_and_rolled_back(model):
    found = kr.promote_version(model, 1, who="ana", why="the first")
    assert found.version == 1 and found.entry.before is None
    assert [one.name for one in found.entry.gates] == ["golden vectors"]
    assert "60 answered as the trained model does" in str(found)
    kr.promote_version(model, 2, who="ben")
    kr.promote_version(model, 1, alias="candidate", who="ben")
    assert read_aliases(model).aliases == {"champion": 2, "candidate": 1}
    back = kr.roll_back(model, who="ana", why="false alarms")
    assert (back.entry.before, back.version) == (2, 1)
    assert str(back).startswith("'champion' of '") and "no longer version 2" in str(back)
    told = kr.model_history(model)
    assert told.aliases == {"champion": 1, "candidate": 1} and told.versions == (1, 2, 3)
    assert [(one.action, one.who, one.version) for one in told.entries] == [
        ("promote", "ana", 1), ("promote", "ben", 2), ("promote", "ben", 1),
        ("roll back", "ana", 1),
    ]  # fmt: skip
    assert "false alarms" in str(told) and told.head in str(told)
    assert json.loads(json.dumps(told.to_dict()))["aliases"]["champion"] == 1
    with pytest.raises(kr.DataError, match="nothing to roll 'champion' .* version 1 alone"):
        kr.roll_back(model)
    # What is undone is not gone back to once more.
    kr.promote_version(model, 2)
    assert kr.roll_back(model).version == 1


def test_an_alias_stands_for_its_version_everywhere(model):
    kr.promote_version(model, 1)
    assert kr.Bundle.load(f"{model}@champion").folder.name == "1"
    assert kr.Bundle.load(model).folder.name == "3"
    assert kr.Predictor(model.with_name("colours@champion")).export == "tflite-int8"
    with pytest.raises(kr.DataError, match="no alias 'old'. It has 'champion'. Give one by: kera"):
        kr.Bundle.load(f"{model}@old")


def test_what_is_worse_does_not_pass(model, gates_file):
    gates = gates_file("photos = PHOTOS\nmin_accuracy = 0.8\nmin_worst_class = 0.6\n")
    kr.promote_version(model, 1, gates=gates)
    with pytest.raises(kr.PromotionRefused) as refused:
        kr.promote_version(model, 3, gates=gates)
    failed = {one.name: one.told for one in refused.value.gates if not one.passed}
    assert set(failed) == {"not worse", "accuracy", "worst class"}
    assert failed["not worse"].startswith("WORSE: 'colours 3' is worse in accuracy")
    assert "of 90; at least 80.0%" in failed["accuracy"]
    assert "of 30; at least 60.0%" in failed["worst class"]
    assert "'champion' is as it was" in str(refused.value) and refused.value.exit_code == 3
    assert kr.promote_version(model, 2, gates=gates).version == 2
    assert len(read_aliases(model).entries) == 2


def test_photos_of_one_part_count_as_little_as_they_tell():
    right, parts = np.arange(9).repeat(10) > 0, np.arange(9).repeat(10)
    alone, known = (judging._share("accuracy", right, of, 0.5) for of in (None, parts))
    assert alone.told == "88.9% (80.7–93.9) of 90; at least 50.0%"
    assert known.told.startswith("88.9% (") and " of 90 of 9 groups; " in known.told
    assert float(re.search(r"\((.*)–", known.told)[1]) < 65


def test_what_costs_too_much_does_not_pass(model, gates_file):
    limits = "max_latency_ms = 1e-6\nmax_size_mb = 1e-6\nmax_memory_mb = 1e-6\n"
    asked = gates_file(limits + "drift_profile = true\noperating_point = true\n")
    with pytest.raises(kr.PromotionRefused) as refused:
        kr.promote_version(model, 1, gates=asked)
    failed = {one.name: one.told for one in refused.value.gates if not one.passed}
    assert set(failed) == {"latency", "size", "memory", "drift profile", "operating point"}
    assert "ms; at most 1e-06 ms" in failed["latency"]
    assert "train again" in failed["drift profile"]
    assert "the gates ask for one" in failed["operating point"]
    assert not (model / "history.jsonl").exists()


@pytest.mark.parametrize(
    "text, said",
    [
        ("max_latncy_ms = 3", "'max_latncy_ms', which is no gate. Did you mean 'max_latency_ms'"),
        ("max_size_mb = 0", "cannot be used: `max_size_mb`: Input should be greater than 0"),
        ("min_accuracy = 0.9", "asks for 'min_accuracy', and names no photos to measure them on"),
        ('photos = "gone/"', "gone', which does not exist. A path is relative to the file"),
        ("min_accuracy", "is no TOML file"),
    ],
)  # fmt: skip
def test_gates_that_cannot_be_used(model, gates_file, text, said):
    with pytest.raises(kr.DataError) as refused:
        kr.promote_version(model, 1, gates=gates_file(text))
    assert said in str(refused.value)


def test_what_cannot_be_promoted(model):
    with pytest.raises(kr.DataError, match="has no version 7; it has '1', '2', '3'"):
        kr.promote_version(model, 7)
    with pytest.raises(ValueError, match="`alias` must be a name of small letters"):
        kr.promote_version(model, 1, alias="Champion!")
    with pytest.raises(kr.DataError, match="holds no versions of a model"):
        kr.promote_version(model / "1", 1)
    with pytest.raises(kr.DataError, match="holds no versions of a model"):
        kr.roll_back(model / "1")
    with pytest.raises(kr.DataError, match="holds no versions of a model"):
        kr.model_history(model / "1")
    with pytest.raises(kr.DataError, match="the log needs a name"):
        kr.promote_version(model, 1, who=" ")
    kr.promote_version(model, 1)
    with pytest.raises(kr.DataError, match="is version 1 already"):
        kr.promote_version(model, 1)


def test_another_question_is_not_the_same_model(model, monkeypatch):
    kr.promote_version(model, 1)
    bundle = kr.Bundle.load(model / "2")
    from kerasrecipes.promotion import judging

    def another(first, second):
        raise kr.DataError("they have a different unit")

    monkeypatch.setattr(judging, "check_comparable", another)
    with pytest.raises(kr.PromotionRefused, match="same question: they have a different unit"):
        kr.promote_version(model, 2)
    kr.promote_version(model, 2, gates=kr.Gates(same_question=False))
    assert bundle.folder.name == "2"


def test_files_that_changed_do_not_pass(model):
    path = model / "1" / "exports" / "tflite-int8" / "model.tflite"
    content = bytearray(next(path.parent.glob("*.tflite")).read_bytes())
    kr.promote_version(model, 1)
    kr.promote_version(model, 2)
    content[len(content) // 2] ^= 1
    next(path.parent.glob("*.tflite")).write_bytes(content)
    (model / "1" / "bundle.json").write_text("{}")
    with pytest.raises(kr.IntegrityError):
        kr.roll_back(model)
    assert read_aliases(model).aliases == {"champion": 2}


def test_a_version_that_was_exported_anew_is_not_the_one_that_passed(model):
    kr.promote_version(model, 1)
    kr.promote_version(model, 2)
    (model / "1").rename(model / "old")
    (model / "3").rename(model / "1")
    with pytest.raises((kr.IntegrityError, ValueError), match="is not what it was|tflite-int8"):
        kr.roll_back(model)


def test_one_at_a_time(model):
    with locked_folder(model):
        with pytest.raises(kr.DataError, match="is at work in"):
            kr.promote_version(model, 1)
    done, failed = [], []

    def promote(version):
        try:
            done.append(kr.promote_version(model, version).version)
        except kr.DataError as error:
            failed.append(str(error))

    threads = [threading.Thread(target=promote, args=(n,)) for n in (1, 2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(read_aliases(model).entries) == len(done) >= 1
    assert all("is at work in" in told for told in failed)


def test_needs_no_tensorflow(model, gates_file):
    gates = gates_file("photos = PHOTOS\n")
    code = (
        "import sys\nimport kerasrecipes as kr\n"
        f"kr.promote_version({str(model)!r}, 1, gates={str(gates)!r})\n"
        f"kr.promote_version({str(model)!r}, 2, gates={str(gates)!r})\n"
        f"kr.roll_back({str(model)!r})\n"
        "loaded = {'tensorflow', 'keras', 'sklearn', 'matplotlib'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
