"""A model before a budget, as CI sees it."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

import kerasrecipes as kr
from kerasrecipes.bundles.aliases import GateResult
from kerasrecipes.cli import main
from kerasrecipes.promotion.model_check import ModelCheck
from kerasrecipes.promotion.workflows import write_workflow

BUDGET = """photos = PHOTOS
min_accuracy = 0.8
min_worst_class = 0.6
max_size_mb = 1.0
licences = ["none", "not stated"]
"""
STRICT = BUDGET.replace("1.0", "0.0001").replace('"not stated"', '"MIT"') + "drift_profile = true\n"


def test_a_good_model_passes_and_a_strict_budget_names_what_does_not_hold(model, gates_file):
    found = kr.check_bundle(model / "1", budget=gates_file(BUDGET))
    assert found.passed and found.exit_code == 0 and found.export == "tflite-int8"
    assert [one.name for one in found.checks] == [
        "seal", "licence", "golden vectors", "size", "not worse", "accuracy", "worst class",
    ]  # fmt: skip
    assert str(found).startswith("colours 1 (tflite-int8): all 7 checks passed.")
    found = kr.check_bundle(model / "1", budget=gates_file(STRICT))
    assert {one.name: one.told for one in found.failed} == {
        "drift profile": "the bundle holds none; train again to have one",
        "licence": "the pretrained weights are under 'not stated'; allowed: 'none', 'MIT'",
        "size": found.failed[-1].told,
    }
    assert found.failed[-1].told.endswith("MB; at most 0.0001 MB")
    assert (found.exit_code, found.passed) == (3, False)
    assert "3 of 8 checks FAILED" in str(found)


def test_photos_and_a_champion_may_be_named_beside_the_budget(model, gates_file, stable_test):
    budget = gates_file("max_size_mb = 1.0\n")
    found = kr.check_bundle(model / "3", stable_test, budget=budget, champion=model / "1")
    (worse,) = found.failed
    assert worse.name == "not worse" and worse.told.startswith("WORSE: 'colours 3' is worse in acc")
    with pytest.raises(kr.DataError, match="`champion` has no effect without photos"):
        kr.check_bundle(model / "3", budget=budget, champion=model / "1")
    with pytest.raises(kr.DataError, match="`budget` asks for 'min_accuracy', and names no photos"):
        kr.check_bundle(model / "3", budget=kr.Gates(min_accuracy=0.5))


def test_a_changed_file_is_all_that_is_told(model, gates_file):
    (model / "1" / "labels.txt").write_text("added")
    found = kr.check_bundle(model / "1", budget=gates_file("max_size_mb = 1.0\n"))
    (seal,) = found.checks
    assert (seal.name, seal.passed, found.exit_code) == ("seal", False, 4)
    assert "'labels.txt'" in seal.told


HOSTILE = ModelCheck(
    "a|b 1",
    "tflite-int8",
    (
        GateResult(name="accuracy", passed=True, told="95 %"),
        GateResult(name="worst class", passed=False, told="<b>\x00|[x](y)\n# *c*: 3 %"),
    ),
    1.5,
)


def test_names_from_data_break_neither_xml_nor_markdown():
    suite = ElementTree.fromstring(HOSTILE.junit()).find("testsuite")
    assert {name: suite.get(name) for name in ("tests", "failures", "time")} == {
        "tests": "2", "failures": "1", "time": "1.500",
    }  # fmt: skip
    good, bad = suite.findall("testcase")
    assert good.find("failure") is None and good.find("system-out").text == "95 %"
    assert bad.find("failure").text == "<b>\\x00|[x](y)\\n# *c*: 3 %"
    row = HOSTILE.markdown().splitlines()[-1]
    assert row == r"| worst class | ❌ | \<b\>\\x00\|\[x\](y)\\n\# \*c\*: 3 % |"


def test_the_command_writes_for_ci_and_ends_with_a_code(model, gates_file, tmp_path, capsys):
    files = ["--junit", str(tmp_path / "out.xml"), "--markdown", str(tmp_path / "out.md")]
    budget = str(gates_file(STRICT))
    with pytest.raises(SystemExit) as end:
        main(["check", str(model / "1"), "--budget", budget, *files, "--json"])
    told = json.loads(capsys.readouterr().out)
    assert end.value.code == 3 and told["passed"] is False and len(told["checks"]) == 8
    assert 'failures="3"' in (tmp_path / "out.xml").read_text()
    assert (tmp_path / "out.md").read_text().count("❌") == 3
    with pytest.raises(SystemExit) as end:
        main(["check", str(model / "1")])
    assert end.value.code == 2 and "name a file, e.g. budget.toml" in capsys.readouterr().err


def test_workflows_run_the_command_as_it_was_typed(tmp_path, capsys):
    github = tmp_path / ".github" / "workflows" / "model.yml"
    typed = ["saved models/tiles", "photos", "--budget", "b.toml", "--workflow", str(github)]
    with pytest.raises(SystemExit) as end:
        main(["check", *typed])
    assert end.value.code == 0
    assert "Read it, and commit it." in capsys.readouterr().out
    command = "kerasrecipes check 'saved models/tiles' photos --budget b.toml --junit model-check"
    assert f"          {command}.xml --markdown" in github.read_text()
    gitlab = tmp_path / ".gitlab-ci.yml"
    write_workflow(gitlab, "m", None, None, "m@champion")
    assert "check m --budget budget.toml --champion m@champion --junit" in gitlab.read_text()
    for path, model, said in (
        (gitlab, "m", "exists. Name a new file"),
        (tmp_path / "x.yml", "m", "is no workflow that is known. Name a file such as .github"),
        (tmp_path / ".gitlab.yml", "${{ x }}", "This cannot stand in a workflow"),
        (tmp_path / ".gitlab.yml", "a\nb", "This cannot stand in a workflow"),
    ):
        with pytest.raises(kr.DataError, match=said.replace("$", "\\$")):
            write_workflow(path, model, None, None, None)


def run_pytest(folder, **ini) -> tuple[int, str]:
    lines = [f"{name} = {value}" for name, value in ini.items()]
    (folder / "pytest.ini").write_text("\n".join(["[pytest]", *lines]) + "\n")
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider"]
    command += ["-p", "kerasrecipes.promotion.pytest_plugin", "-p", "no:kerasrecipes"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_each_line_of_a_budget_is_a_test(model, gates_file):
    folder = gates_file(STRICT).parent
    ini = {"kerasrecipes_model": model / "1", "kerasrecipes_budget": "gates.toml"}
    code, said = run_pytest(folder, **ini)
    assert code == 1 and "3 failed, 6 passed" in said
    assert "FAILED gates.toml::licence - Failed: licence: the pre" in said
    assert "PASSED gates.toml::worst class" in said and "PASSED gates.toml::all else" in said


@pytest.mark.parametrize(
    ("ini", "said"),
    [
        ({"kerasrecipes_model": "m"}, "belong together, and 'kerasrecipes_champion' to both"),
        ({"kerasrecipes_champion": "m"}, "belong together, and 'kerasrecipes_champion' to both"),
        ({"kerasrecipes_model": "m", "kerasrecipes_budget": "no.toml"}, "there is no such file"),
    ],
)
def test_half_a_configuration_is_refused(ini, said, tmp_path):
    code, told = run_pytest(tmp_path, **ini)
    assert code == 4 and said in told
