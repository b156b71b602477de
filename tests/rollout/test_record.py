"""A rollout begins and ends in the log of the model's aliases; what was seen outlives a restart."""

import json
import sqlite3

import pytest

import kerasrecipes as kr
from kerasrecipes.bundles.aliases import read_aliases
from kerasrecipes.promotion.log import changing
from kerasrecipes.promotion.promoting import _before
from kerasrecipes.rollout.evidence import EvidenceFile
from kerasrecipes.rollout.judge import Judge, Seen
from kerasrecipes.rollout.record import STOP, TAKE_BACK, finish, last_rollout


def test_from_start_to_stop(model, tmp_path):
    (tmp_path / "rollout.toml").write_text("percent = 20\nrequests = 5\n")
    found = kr.start_rollout(model, policy=tmp_path / "rollout.toml", who="ana", why="try it")
    assert "Version 2 of" in str(found) and "beside version 1: 20 % of callers, 100 %" in str(found)
    assert "It has answered 0 of 5 times." in str(found)
    with pytest.raises(kr.DataError, match="Version 2 of .* is tried already. End that first: ker"):
        kr.start_rollout(model, who="ben")
    found = kr.stop_rollout(model, who="ben", why="holidays")
    assert "'stop rollout' by ben: holidays" in str(found) and not found.was_taken_back
    assert read_aliases(model).aliases == {"champion": 1, "candidate": 2}
    with pytest.raises(kr.DataError, match="No candidate of .* is tried now"):
        kr.stop_rollout(model)
    told = json.loads(json.dumps(found.to_dict()))
    assert told["running"] is False and told["end"]["who"] == "ben"
    assert [one["name"] for one in told["guards"]] == [
        "errors", "latency", "disagreement", "answers"
    ]  # fmt: skip
    kr.start_rollout(model)  # anew


def test_what_is_taken_back_means_the_version_in_use(model):
    found = kr.start_rollout(model)
    entry = finish(model, TAKE_BACK, "kerasrecipes serve", "errors: many", found.rollout.id)
    assert (entry.version, entry.bundle_sha256) == (1, read_aliases(model).entries[0].bundle_sha256)
    assert read_aliases(model).aliases == {"champion": 1, "candidate": 1}
    found = kr.rollout_status(model)
    assert found.was_taken_back and "'take back' by kerasrecipes serve: errors: many" in str(found)
    with pytest.raises(kr.DataError, match="'candidate' of .* is version 1, which is in use alrea"):
        kr.start_rollout(model)
    assert "take back" in str(kr.model_history(model))


def test_another_meaning_of_an_alias_ends_it(model):
    for alias in ("champion", "candidate"):
        before = kr.start_rollout(model).rollout
        with changing(model) as log:
            log.add(
                who="ana", action="promote", alias=alias, version=2, why="", before=None,
                bundle_sha256="0" * 64, export="x", export_sha256="0" * 64,
            )  # fmt: skip
        assert last_rollout(model).end.alias == alias
        with pytest.raises(kr.DataError, match="is tried now"):
            finish(model, STOP, "ana", "", before.id)
        with changing(model) as log:
            log.add(
                who="ana", action="promote", alias="champion", version=1, why="", before=None,
                bundle_sha256="0" * 64, export="x", export_sha256="0" * 64,
            )  # fmt: skip


def test_going_back_passes_over_rollouts(model):
    """`rollback` counts promotions; a rollout's start and end are none, what is taken back is."""
    fields = {
        "who": "ana", "alias": "candidate", "version": 1, "why": "", "before": 2,
        "bundle_sha256": "0" * 64, "export": "x", "export_sha256": "0" * 64,
    }  # fmt: skip
    for action in ("promote", "start rollout", "stop rollout"):
        with changing(model) as log:
            log.add(action=action, **fields)
    with changing(model) as log:
        assert _before(log, "candidate").version == 2


def test_a_policy_that_was_changed_is_noticed(model):
    kr.start_rollout(model)
    path = model / "rollout.json"
    path.write_text(path.read_text().replace("5.0", "90.0"))
    with pytest.raises(kr.IntegrityError, match="is not what the rollout began with. Stop"):
        kr.rollout_status(model)
    path.unlink()
    with pytest.raises(kr.IntegrityError, match="cannot be read: No such file"):
        kr.rollout_status(model)
    with pytest.raises(
        kr.IntegrityError,
        match="has ended, and a start that was cut off may",
    ):
        kr.stop_rollout(model)
    kr.start_rollout(model)


def test_what_cannot_be_started(model, numbers, tmp_path):
    with pytest.raises(kr.DataError, match="No candidate of .* was ever tried"):
        kr.rollout_status(model)
    with pytest.raises(kr.DataError, match="has no 'other', so there is nothing to compare. Prom"):
        kr.start_rollout(model, alias="other")
    with pytest.raises(kr.DataError, match="holds no versions of a model"):
        kr.start_rollout(tmp_path)
    with pytest.raises(kr.DataError, match="`max_number_apart` says .* answers 'regression'"):
        kr.start_rollout(numbers)
    kr.start_rollout(numbers, policy=kr.RolloutPolicy(max_number_apart=0.1))
    with pytest.raises(kr.DataError, match="`max_number_apart` says .* answers 'classification'"):
        kr.start_rollout(model, policy=kr.RolloutPolicy(max_number_apart=0.1))
    (tmp_path / "rollout.toml").write_text("percnt = 20\n")
    with pytest.raises(kr.DataError, match="says 'percnt', which is not known. Did you mean 'perc"):
        kr.start_rollout(model, policy=tmp_path / "rollout.toml")


def test_evidence_adds_up_and_is_forgotten_with_its_rollout(tmp_path):
    judge, file = Judge(kr.RolloutPolicy(), ("a", "b")), EvidenceFile(tmp_path / "rollout.db")
    assert file.read("x", judge.known)["errors"].count == 0
    for _ in range(3):
        judge.pair(Seen(labels=("a",)), Seen(labels=("b",)))
        file.add("x", judge.settle())
    found = file.read("x", judge.known)
    assert found["disagreement"].count == 3
    assert found["disagreement"].log == pytest.approx(judge.known["disagreement"].log)
    assert file.is_new("x", "1") and not file.is_new("x", "1")
    judge.pair(Seen(labels=("a",)), Seen(labels=("b",)))
    assert file.add("y", judge.settle())["disagreement"].count == 1
    assert file.read("x", judge.known)["disagreement"].count == 0 and file.is_new("y", "1")
    with sqlite3.connect(tmp_path / "rollout.db") as sql:
        sql.execute("UPDATE evidence SET total = X'00'")
    with pytest.raises(kr.DataError, match="cannot be used to remember what was seen: what it say"):
        file.read("y", judge.known)
    (tmp_path / "rollout.db").write_bytes(b"no database" * 100)
    with pytest.raises(kr.DataError, match="Stop the rollout, remove the file, and start again"):
        file.read("y", judge.known)
