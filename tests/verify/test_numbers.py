"""The small pieces: intervals, limits, latency."""

import shutil
import time

import pytest

from kerasrecipes.errors import DataError
from kerasrecipes.verify import Tolerance, benchmark_export
from kerasrecipes.verify.latency import time_in_turns


def test_default_limits():
    assert Tolerance.for_quantization("float32") == Tolerance(0.99, 0.02, 1e-3, 0.02)
    assert Tolerance.for_quantization("float16") == Tolerance(0.99, 0.02, None, 0.02)
    assert Tolerance.for_quantization("int8") == Tolerance(0.95, 0.02, None, 0.1)
    assert Tolerance().max_mean_score_gap is None


@pytest.mark.parametrize(
    "limits", [{"min_agreement": 95}, {"max_accuracy_drop": -0.1}, {"max_score_gap": "x"},
               {"min_agreement": None}, {"max_score_gap": float("nan")}, {"max_mean_score_gap": 5}],
)  # fmt: skip
def test_limits_are_fractions(limits):
    with pytest.raises(ValueError, match=r"of a Tolerance must be a fraction from 0 to 1"):
        Tolerance(**limits)


def test_calls_take_turns():
    order = []
    found = time_in_turns({1: lambda: order.append(1), 2: lambda: order.append(2)}, runs=12)
    assert order[10:] == [1, 2] * 12
    assert found[1].runs == found[2].runs == 12


def test_slow_calls_are_timed_fewer_times():
    found = time_in_turns({1: lambda: time.sleep(0.002)}, runs=500, max_seconds=0.0)
    assert found[1].runs == 10 and 2 <= found[1].median_ms <= found[1].p95_ms


def test_benchmark_of_a_file(exported_once):
    found = benchmark_export(exported_once.exports()["tflite-int8"].path, threads=(1,), runs=20)
    assert list(found) == [1] and found[1].runs == 20


def test_benchmark_refuses_other_files(exported_once, tmp_path):
    path = exported_once.exports()["tflite-int8"].path
    with pytest.raises(DataError, match=r"no exported file: known suffixes are '.onnx'"):
        benchmark_export(shutil.copy(path, tmp_path / "model.bin"))
    with pytest.raises(ValueError, match=r"`runs` must be at least 10, received 3"):
        benchmark_export(path, runs=3)
    with pytest.raises(ValueError, match=r"`threads` must name at least one"):
        benchmark_export(path, threads=())


@pytest.mark.parametrize(
    ("agreement", "photos", "same"),
    [(1.0, 200, True), (0.95, 200, True), (0.94, 200, False), (0.9, 10, True), (0.8, 10, False)],
)
def test_one_photo_may_always_flip(agreement, photos, same):
    limits = Tolerance.for_quantization("int8")
    assert limits.allows_flips(agreement, photos) is same


@pytest.mark.parametrize(
    ("drop", "photos", "allowed"),
    [(-0.5, 200, True), (0.02, 200, True), (0.03, 200, False), (0.1, 10, True), (0.2, 10, False)],
)
def test_one_photo_may_always_be_lost(drop, photos, allowed):
    assert Tolerance().allows_drop(drop, photos) is allowed


def test_scores_of_one_photo_may_always_move():
    limits = Tolerance.for_quantization("int8")
    asked = [(0.1, 200), (0.11, 200), (0.2, 5), (0.21, 5)]
    assert [limits.allows_mean_gap(*one) for one in asked] == [True, False, True, False]
    assert Tolerance().allows_mean_gap(1.0, 200)
