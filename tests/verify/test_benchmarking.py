"""All exports of a bundle in one table."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from kerasrecipes import DataError, IntegrityError, VerificationError, benchmark_bundle
from kerasrecipes.export import get_format
from kerasrecipes.report.plots.style import png
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.verify import Latency
from kerasrecipes.verify.benchmark import Variant
from kerasrecipes.verify.benchmark_notes import find_notes
from tiny_bundle import reseal


@pytest.fixture(scope="module")
def measured(exported_once):
    return benchmark_bundle(exported_once.folder, runs=10, profile=True)


def test_every_export_is_measured_by_the_golden_photos(measured, exported_once):
    golden = exported_once.golden()
    assert measured.golden and measured.photos == 60 and measured.left_out == 0
    assert measured.original_accuracy.value == np.mean(golden.answers.argmax(1) == golden.targets)
    assert [v.name for v in measured.variants] == ["tflite-float32", "tflite-int8"]
    exact, small = measured.variants
    assert exact.agreement == 1.0 and exact.accuracy == measured.original_accuracy
    assert (exact.int8_work_fraction, small.int8_work_fraction) == (0.0, 1.0)
    for found in measured.variants:
        assert found.size_bytes == exported_once.exports()[found.name].size_bytes
        assert set(found.latency) == {1, 2} and found.latency[1].runs == 10
        assert found.load_ms > 0 and found.memory_bytes > 100_000
        assert found.accuracy.low < found.accuracy.value <= found.accuracy.high
        assert found.worst_class in exported_once.class_names
        assert found.ops["CONV_2D"] == 2 and found.format == "tflite"


def test_the_profile_names_the_kernels_of_the_runtime(measured):
    """From LiteRT's own profiler, which knows what XNNPACK made of the operators."""
    exact, small = (measured.profiles[name] for name in ("tflite-float32", "tflite-int8"))
    convolutions = [row for row in exact if row.name.startswith("Convolution (NHWC, F32)")]
    assert sum(row.count for row in convolutions) == 2
    assert sum(row.count for row in small if "Convolution (NHWC, QC8)" in row.name) == 2
    for rows in (exact, small):
        times = [row.ms for row in rows]
        assert times == sorted(times, reverse=True) and 0 < sum(times) < 1000
        assert any("softmax" in row.name.lower() for row in rows)


def test_the_table_and_the_json(measured):
    text = str(measured)
    for words in ("judged by 60 golden photos", "the original", "worst class", "8-bit layers",
                  "1 thread: p50, p95, p99", "kernels of tflite-int8", "Only 60 photos",
                  "Memory is the peak beyond the runtime's own"):  # fmt: skip
        assert words in text
    found = json.loads(json.dumps(measured.to_dict(), allow_nan=False))
    assert [v["name"] for v in found["variants"]] == ["tflite-float32", "tflite-int8"]
    assert len(found["variants"][0]["accuracy"]) == 3 and found["profiles"]["tflite-int8"]
    assert found["variants"][0]["latency"]["1"]["p99_ms"] > 0


def test_the_picture_names_every_export(measured, drawn):
    figure = measured.plot()
    for axes in figure.axes:
        assert {t.get_text() for t in axes.texts} == {"tflite-float32", "tflite-int8"}
        assert axes.get_xlim()[0] == 0
    assert png(figure)[:4] == b"\x89PNG"


def test_photos_of_ones_own_with_float32_for_the_original(exported_once, photo_set):
    found = benchmark_bundle(exported_once, photo_set, threads=(1,), runs=10)
    assert not found.golden and found.photos == 12 and found.original_accuracy is None
    assert found.reference == "tflite-float32" and found.variants[0].agreement == 1.0
    assert "The answers of the original are taken from tflite-float32." in str(found)
    assert "the original" not in str(found).splitlines()[4]
    assert "Only 12 photos" in found.notes[-1] and "Give a folder" not in found.notes[-1]


def test_without_a_float32_export_the_original_is_asked(exported, photo_set):
    import shutil

    shutil.rmtree(exported.folder / "exports" / "tflite-float32")
    reseal(exported)
    found = benchmark_bundle(exported, photo_set, threads=(1,), runs=10)
    assert found.reference == "the original model" and found.original_accuracy is not None
    assert "are taken from" not in str(found)
    assert any(
        "no tflite-float32 to compare times with. Add it with: kerasrecipes export" in note
        for note in found.notes
    )


def test_photos_that_the_model_learned_from_are_left_out(small_saved, part_photos, part_sets):
    found = benchmark_bundle(small_saved.folder, part_photos, threads=(1,), runs=10)
    assert (found.photos, found.left_out) == (
        len(part_sets[2]),
        len(part_sets[0]) + len(part_sets[1]),
    )
    assert f"{found.left_out} photos are left out: the model learned from them." in str(found)
    with pytest.raises(
        DataError, match="was trained on all .* photos of .*Give photos that it has"
    ):
        benchmark_bundle(small_saved.folder, part_sets[0])


def test_needs_no_tensorflow(exported_once, photo_set):
    code = (
        "import sys, kerasrecipes as kr\n"
        f"photos = kr.scan_photos({str(labelled(photo_set))!r}, for_training=False)\n"
        f"for given in (None, photos):\n"
        f"    print(kr.benchmark_bundle({str(exported_once.folder)!r}, given, runs=10))\n"
        "loaded = {'tensorflow', 'keras', 'sklearn', 'matplotlib'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def labelled(photo_set):
    """Write a table of the photos, and return its path."""
    path = photo_set.root / "photos.jsonl"
    rows = [{"path": photo.path.name, "label": photo.label} for photo in photo_set.photos]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def variant(name: str, ms: float, int8_fraction: float = 0.0) -> Variant:
    half = Estimate(0.5, 0.4, 0.6)
    latency = {1: Latency(ms, ms, 100, ms), 2: Latency(ms, ms, 100, ms)}
    quantization = name.partition("-")[2]
    return Variant(name, quantization, 1, 1.0, 1, latency, half, 1.0, "a", half, int8_fraction,
                   int8_fraction, {})  # fmt: skip


@pytest.mark.parametrize(
    ("task", "unit", "quality", "axis", "title"),
    [
        ("regression", "mm", (-0.5, -0.75, -0.25), "mean absolute error, mm, lower is better",
         "Mean absolute error and time"),
        ("ordinal", "", (-0.5, -0.75, -0.25), "mean absolute error, classes, lower is better",
         "Mean absolute error and time"),
        ("multi_label", "", (0.5, 0.25, 0.75), "label accuracy", "Label accuracy and time"),
    ],
)  # fmt: skip
def test_the_picture_is_drawn_in_the_figure_of_the_task(task, unit, quality, axis, title):
    from kerasrecipes.verify import Benchmark

    one = dataclasses.replace(variant("tflite-int8", 1.0), accuracy=Estimate(*quality))
    told = Benchmark("m", 9, True, 0, "the original", None, (one,), task=task, unit=unit)
    left = told.plot().axes[0]
    assert (left.get_ylabel(), left.get_title(loc="left")) == (axis, title)
    interval, point = left.lines
    assert list(interval.get_ydata()) == [0.25, 0.75] and list(point.get_ydata()) == [0.5]
    assert 0 < left.get_ylim()[0] < 0.25 and 0.75 < left.get_ylim()[1] < 1
    ticks = left.yaxis.get_major_formatter()
    assert (ticks(0.5, 0) == "50%") == (task == "multi_label")


def test_what_is_slower_than_float_is_said_in_plain_words():
    """MobileNetV3-Small's int8 is slower than its float, and nobody expects it to be."""
    measured = [
        variant("tflite-float32", 1.7), variant("tflite-int8", 4.1, 0.9),
        variant("tflite-dynamic", 3.0), variant("tflite-float16", 2.0),
    ]  # fmt: skip
    int8, dynamic = find_notes(measured, 500, golden=False)
    assert int8.startswith(
        "tflite-int8 is slower than tflite-float32 here: 4.10 ms for 1.70 ms, 1 thread. Its 8-bit"
    )
    assert "tflite-dynamic is slower" in dynamic and "makes the file small" in dynamic


def test_what_is_faster_or_about_as_fast_is_not():
    measured = [variant("tflite-float32", 4.0), variant("tflite-int8", 2.0, 0.9),
                variant("tflite-dynamic", 4.1)]  # fmt: skip
    assert find_notes(measured, 500, golden=False) == []


def test_a_runtime_without_a_profiler_is_a_note(exported_once, monkeypatch):
    def fails(path):
        raise VerificationError("'x' cannot be profiled by the installed ai-edge-litert: no.")

    for profile, told in ((fails, "cannot be profiled"), (None, "has no profile: its runtime")):
        changed = dataclasses.replace(get_format("tflite"), profile=profile)
        monkeypatch.setattr(
            "kerasrecipes.verify.benchmarking.get_format", lambda name, found=changed: found
        )
        found = benchmark_bundle(exported_once, threads=(1,), runs=10, profile=True)
        assert found.profiles == {} and sum(told in note for note in found.notes) == 2


def test_the_profiler_says_why_it_cannot(tmp_path):
    from kerasrecipes.export.tflite.profile import profile_file

    (tmp_path / "x.tflite").write_bytes(b"\0" * 100)
    with pytest.raises(
        VerificationError, match=r"x.tflite' cannot be profiled by .*LiteRtCreateMod"
    ):
        profile_file(tmp_path / "x.tflite")


def test_wrong_arguments_and_damaged_bundles(exported, exported_once, tmp_path):
    with pytest.raises(ValueError, match="`runs` must be at least 10, received 9"):
        benchmark_bundle(exported_once, runs=9)
    with pytest.raises(ValueError, match="`threads` must name at least one"):
        benchmark_bundle(exported_once, threads=())
    with pytest.raises(DataError, match="There is no saved model in"):
        benchmark_bundle(tmp_path)
    path = exported.exports()["tflite-int8"].path
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(IntegrityError, match=r"model.tflite' was changed since it was verified"):
        benchmark_bundle(exported)


def test_a_bundle_without_exports(bundle):
    with pytest.raises(DataError, match="has no exported file yet. Run: kerasrecipes export"):
        benchmark_bundle(bundle)


def test_a_runtime_with_threads_of_its_own_has_its_place_in_table_and_picture():
    from kerasrecipes.verify import Benchmark

    own = dataclasses.replace(variant("saved_model-float32", 3.0), latency={4: Latency(3, 3, 9, 3)})
    told = Benchmark(
        "m", 9, True, 0, "the original model", None, (own, variant("tflite-int8", 1.0))
    )
    assert "1 thread: p50" in str(told) and "4 threads: p50" in str(told)
    row = next(line for line in str(told).splitlines() if line.endswith("3.00, 3.00, 3.00 ms"))
    assert row.startswith("saved_model-float32") and row.count("–") == 2
    assert {t.get_text() for t in told.plot().axes[0].texts} == {own.name, "tflite-int8"}
