"""Families of networks for signals beside the classical baseline: measured, and one recommended."""

import pytest

import kerasrecipes as kr
from kerasrecipes import backbones
from kerasrecipes.choosing.families import Family, _choice
from tiny_signals import tiny_net


def test_the_baseline_is_recommended_unless_a_network_is_better(
    signal_sets, recordings, monkeypatch
):
    monkeypatch.setitem(backbones._SIGNALS.added, "tiny_net", tiny_net())
    found = kr.recommend_family(recordings, families=["tiny_net"], epochs=1)
    assert [one.name for one in found.families] == ["baseline", "tiny_net"]
    assert found.best == "baseline" and found.families[0].accuracy > 0.8
    assert "Take: baseline. No network is shown to be better" in str(found)
    assert found.learned + found.judged + found.test_signals == 60
    assert found.to_dict()["best"] == "baseline"


def test_the_best_of_those_that_are_better():
    def family(name, accuracy, low, parameters=1):
        return Family(name, accuracy, low, 0.3, parameters, 1.0)

    rows = [family("baseline", 0.7, 0), family("a", 0.8, 0.01, 9), family("b", 0.8, 0.02, 5)]
    assert _choice(rows)[0] == "b" and "shown to be better" in _choice(rows)[1]
    assert _choice([rows[0], family("a", 0.9, -0.01)])[0] == "baseline"


def test_what_is_refused_before_any_fit(signal_sets, tmp_path):
    with pytest.raises(ValueError, match="'fcn' looks at later steps, too.*'gru'"):
        kr.recommend_family(signal_sets[0], families=["fcn"], streaming=True)
    with pytest.raises(ValueError, match="Unknown backbone for signals 'rnn'"):
        kr.recommend_family(signal_sets[0], families=["rnn"])
    lines = ["id,x,value", *(f"r{i},{i},{i}" for i in range(9))]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    with pytest.raises(kr.DataError, match="one class each so far, and these have number"):
        kr.recommend_family(tmp_path / "t.csv")
