"""What a search picks of its candidates, and what it says of them."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from kerasrecipes.optimization.search import plans as search_plans, search
from kerasrecipes.optimization.search.candidate import Candidate
from kerasrecipes.optimization.search.limits import Limits
from kerasrecipes.optimization.search.result import OptimizationResult
from kerasrecipes.records import checked

FLOAT = Candidate(
    "fitted", "float32", accuracy=0.95, drop=0.0, drop_interval=(-0.01, 0.01), drop_error=0.0,
    recalls=(0.9, 1.0), worst_class="a", worst_drop=0.0, size_bytes=4_000_000, latency_ms=8.0,
    latency_ratio=1.0, seconds=1.0, photos=500, agreement=1.0, model_accuracy=0.95,
    largest_gap=1e-5,
)  # fmt: skip
INT8 = replace(FLOAT, quantization="int8", accuracy=0.948, drop=0.002, drop_error=0.003,
               size_bytes=1_000_000, latency_ms=4.0, latency_ratio=0.5)  # fmt: skip
RISKY = replace(INT8, model="channels-0.5", accuracy=0.942, drop=0.008, drop_error=0.004,
                size_bytes=500_000, latency_ms=2.0, latency_ratio=0.25)  # fmt: skip


def result(candidates, **limits):
    return OptimizationResult(list(candidates), Limits(**limits), [], 1.0, 500, {}, None)


def test_training_is_not_wasted_on_what_cannot_be_picked():
    exact, rounded = replace(FLOAT, model="small"), replace(INT8, model="small")

    def against(kind, *candidates):
        looked = SimpleNamespace(candidates=candidates, limits=Limits(0.01))
        plan = search_plans.Plan("next", kind, "small", None, None, 1.0, 1)
        return search.Search._against(looked, plan)

    assert against("channels", FLOAT) == "there is no small"
    assert against("channels", replace(exact, drop=0.02)) == "small loses 2.0 points itself"
    assert against("channels", exact, rounded) == ""
    assert against("qat", exact) == ""  # its int8 file could not be written
    assert against("qat", exact, rounded) == ""  # 0.2 points are lost
    same = replace(rounded, drop=0.0)
    assert against("qat", exact, same) == "small loses nothing by rounding"
    for unsure in (replace(same, drop_error=0.011), replace(same, agreement=0.9)):
        assert against("qat", exact, unsure) == ""
    # Nor a file with exceptions, where int8 loses nothing, or there is none.
    for rounded in (replace(INT8, drop=0.0), None):
        files = {"fitted": rounded}
        looked = SimpleNamespace(limits=Limits(0.01), _found=lambda model, _, f=files: f.get(model))
        assert search.Search._measure_mixed(looked) is None


def test_a_pick_is_judged_with_its_error():
    assert result([FLOAT, INT8, RISKY]).pick == INT8  # 0.8 + 0.4 points are more than one
    assert result([FLOAT, INT8, RISKY], max_drop=0.02).pick == RISKY
    assert result([FLOAT, INT8], max_drop=0.0).pick == FLOAT
    wide = result([FLOAT, replace(INT8, drop_interval=(-0.01, 0.014))])
    assert "cannot rule out a drop of more than 1.0 points" in wide.message
    assert "95% interval -1.0 to 1.4" in wide.message


def test_a_file_that_is_another_model_is_not_picked():
    # As accurate, but right about other photos than the model that is in it.
    other = replace(INT8, drop=0.0, drop_error=0.0, agreement=0.9, size_bytes=100_000)
    told = result([FLOAT, INT8, other])
    assert told.pick == INT8
    (warning,) = told.warnings
    assert warning == (
        "int8 is not picked: its export would be refused, since top-1 agreement 0.9000 on 500 "
        "photos is below 0.95."
    )
    assert warning in str(told)
    rows = [line for line in str(told).splitlines() if line.startswith("int8 ")]
    assert rows[0].endswith("* ← pick") and rows[1].endswith("refused") and "90.0%" in rows[1]
    alone = result([replace(FLOAT, largest_gap=0.01)])
    assert alone.pick is None
    assert "which would be refused as an export, since the largest score gap 0.01" in alone.message
    worse = replace(INT8, accuracy=0.92, model_accuracy=0.96, drop=0.0)  # of a better model
    assert "accuracy drops by 0.0400" in result([FLOAT, worse]).warnings[0]
    # Who allows a larger drop allows more answers to change, as `save` does.
    assert result([FLOAT, other], max_drop=0.05).pick == other
    assert Limits(0.05).tolerance("int8").min_agreement == pytest.approx(0.9)
    assert Limits(0.0).tolerance("int8").min_agreement == 0.95


def test_the_closest_is_least_beyond_the_limits():
    told = result([FLOAT, INT8, RISKY], max_size_mb=0.4)
    assert told.pick is None
    assert "closest is 'channels-0.5 int8'" in told.message
    assert "0.5 MB, where 0.4 are allowed" in told.message
    assert "judged as 1.2, where 1.0 may be lost" in told.message
    slow = result([FLOAT], max_latency_ms=1.0)
    assert "which takes 8 ms, where 1 are allowed" in slow.message


def test_int8_that_is_slower_is_told():
    slower = replace(INT8, latency_ms=19.0, latency_ratio=2.4)
    told = result([FLOAT, slower])
    assert told.warnings == ["int8 is slower than float32 on this machine: 19 for 8 ms."]
    assert told.warnings[0] in str(told) and told.to_dict()["warnings"] == told.warnings
    assert not result([FLOAT, INT8]).warnings
    # Fewer channels are no excuse: the file is compared with that of the same model.
    pruned = replace(FLOAT, model="channels-0.5", latency_ms=3.0, latency_ratio=0.375)
    pruned8 = replace(pruned, quantization="int8", latency_ms=6.0, latency_ratio=0.75)
    assert result([FLOAT, pruned, pruned8]).warnings[0].startswith("channels-0.5 int8 is slower")


def test_the_front_holds_what_none_beats():
    worse = replace(INT8, quantization="dynamic", size_bytes=1_100_000)
    assert result([FLOAT, INT8, worse, RISKY]).front == [FLOAT, INT8, RISKY]
    assert checked(Candidate, json.loads(json.dumps(INT8.to_dict()))) == INT8
