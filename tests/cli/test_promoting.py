"""Promoting and going back, as people type it."""

import json
import shutil

import pytest

from kerasrecipes.errors import tell_besides
from kerasrecipes.promotion.log import changing
from kerasrecipes.rollout.record import finish


def test_from_promotion_to_rollback(kr, exported_once, tmp_path):
    model = tmp_path / "colours"
    for number in ("1", "2"):
        shutil.copytree(exported_once.folder, model / number)
    code, out, _ = kr("promote", model, 1, "--who", "ana", "--why", "it is good")
    assert code == 0 and "is version 1 now" in out and "golden vectors  passed" in out
    code, out, _ = kr("promote", model, 2, "--as", "champion", "--json")
    assert code == 0 and json.loads(out)["version"] == 2
    code, out, _ = kr("history", model)
    assert code == 0 and "it is good" in out and "champion is 2" in out
    code, out, _ = kr("rollback", model, "--why", "false alarms")
    assert code == 0 and "is version 1 now, and no longer version 2" in out
    code, out, _ = kr("diff", model / "1", "2")
    assert code == 0 and "say the same" in out
    gates = tmp_path / "gates.toml"
    gates.write_text("max_size_mb = 0.0001\n")
    code, _, err = kr("promote", model, 2, "--gates", gates)
    assert code == 3 and "does not pass 1 of 3 gates: size: " in err
    code, _, err = kr("promote", model, 2, "--as", "No!")
    assert code == 1 and "`--as` must be a name" in err
    text = (model / "history.jsonl").read_text().replace("ana", "eve", 1)
    (model / "history.jsonl").write_text(text)
    code, _, err = kr("history", model)
    assert code == 4 and "was changed in line 2, or before it" in err


def test_a_candidate_is_tried(kr, exported_once, tmp_path):
    model = tmp_path / "colours"
    for number, alias in ((1, "champion"), (2, "candidate")):
        shutil.copytree(exported_once.folder, model / str(number))
        with changing(model) as log:
            log.add(
                who="ana", action="promote", alias=alias, version=number, why="", before=None,
                bundle_sha256="0" * 64, export="x", export_sha256="0" * 64,
            )  # fmt: skip
    code, out, _ = kr("rollout", "start", model, "--why", "a new lamp")
    assert code == 0 and "beside version 1: 5 % of callers, 100 % in the shadow" in out
    code, out, _ = kr("rollout", "status", model, "--json")
    assert code == 0 and json.loads(out)["running"] is True
    code, _, err = kr("rollout", "stop", model, "--as", "candidate")
    assert code == 2 and "'--as': it has no effect with stop." in err
    finish(model, "take back", "server", "errors: too many")
    code, out, _ = kr("rollout", "status", model)
    assert code == 3 and "'take back' by server: errors: too many." in out
    code, _, err = kr("rollout", "stop", model)
    assert code == 1 and "is tried now. Start that by: kerasrecipes rollout start" in err


@pytest.mark.parametrize("said", ["Free some space, then save again", "Nothing is new."])
def test_what_is_told_besides_an_error_is_a_sentence_of_its_own(kr, tmp_path, monkeypatch, said):
    def fail(*_, **__):
        error = OSError(28, said)
        tell_besides(error, "The trained model itself is in 'here'.")
        raise error

    monkeypatch.setattr("kerasrecipes.renewing.renewing.retrain_model", fail)
    code, _, err = kr("retrain", tmp_path, tmp_path)
    told = said.rstrip(".") + ". The trained model itself is in 'here'."
    assert (code, err) == (1, f"OSError: {told}\n")
