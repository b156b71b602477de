"""Recordings from files, folders and tables: what is found, left out, refused, and told."""

import io
import re
import struct
import wave

import numpy as np
import pytest

from kerasrecipes import DataError, check_signals, scan_signals, split_signals
from tiny_signals import MOVES, draw_signal, write_recordings


@pytest.fixture
def folder(tmp_path):
    return write_recordings(tmp_path / "moves", 4)


def npy(values):
    written = io.BytesIO()
    np.save(written, values)
    return written.getvalue()


def wav(values, rate=8000):
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(values.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((values * 32767).astype("<i2").tobytes())
    return written.getvalue()


def test_files_of_all_kinds_give_the_same_signals(tmp_path):
    values = {kind: np.clip(draw_signal(kind, 1, 30) / 9, -1, 1) for kind in MOVES}
    for kind, one in values.items():
        (tmp_path / kind).mkdir()
        rows = [f"{i / 8000:.9f},{a:.6f},{b:.6f}" for i, (a, b) in enumerate(one)]
        (tmp_path / kind / "a.csv").write_text("\n".join(["time,0,1", *rows]))
        (tmp_path / kind / "b.npy").write_bytes(npy(one.astype(np.float64)))
        (tmp_path / kind / "c.wav").write_bytes(wav(one))
        (tmp_path / kind / "d.tsv").write_text("\n".join(f"{a:.6f}\t{b:.6f}" for a, b in one))
        (tmp_path / kind / "notes.md").write_text("no recording")
    found = scan_signals(tmp_path)
    assert len(found) == 12 and found.layout.channels == ("0", "1")
    assert found.layout.rate == pytest.approx(8000)
    for signal in found.signals:
        np.testing.assert_allclose(signal.values, values[signal.label], atol=1e-4)
    assert "no .csv, .npy or .wav file" in str(check_signals(found))


def test_a_long_table_in_any_order_of_its_rows(tmp_path):
    rows = []
    for number, kind in enumerate(MOVES * 3):
        for step, (a, b) in enumerate(draw_signal(kind, number)):
            cell = "" if step == 2 else f"{a}"
            rows.append((f"r{number}", step / 20, cell, b, kind, f"s{number % 3}"))
    np.random.default_rng(0).shuffle(rows)
    lines = ["id,time,x,y,label,subject", *(",".join(map(str, row)) for row in rows)]
    table = tmp_path / "long.csv"
    table.write_text("\n".join(lines))
    found = scan_signals(table, group_by="subject", channels=("x", "y"))
    assert len(found) == 9 and found.layout.rate == pytest.approx(20)
    one = next(signal for signal in found.signals if signal.name == "r4")
    expected = draw_signal(one.label, 4)
    expected[2, 0] = np.nan
    np.testing.assert_allclose(one.values, expected, rtol=1e-5)
    assert one.group == "s1"
    assert "9 signals with missing values" in str(check_signals(found))
    lines[5] = lines[5].replace(rows[4][4], "other")
    table.write_text("\n".join(lines))
    with pytest.raises(DataError, match="says something else of .* one answer"):
        scan_signals(table, group_by="subject", channels=("x", "y"))


@pytest.mark.parametrize(
    "text, told",
    [
        ("walk,time,x,label\na,0,1,u", "Name that column by id="),
        ("id,time,x,label\na,soon,1,u", "the time 'soon', which is neither a number nor ISO"),
        ("id,time,label\na,0,u", "no column with values of a channel"),
        ("id,time,x,label\n,0,1,u", "row 2 has no id"),
        ("id,time,x,label\na,0,warm,u\nb,0,2,v", "has 'warm' in row 2 of 'x', which is no number"),
        ("id,time,x,label\na,0,1,u\na,1,2,u\na,9,1,u\na,10,1,u\n", "not equally far apart: 8 s"),
    ],
)
def test_what_is_wrong_with_a_long_table_is_told(tmp_path, text, told):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=told):
        scan_signals(tmp_path / "t.csv")


def test_ts_files_with_their_split(tmp_path):
    head = "@problemName X\n@timeStamps false\n@classLabel true a b\n@data\n"
    for side in ("TRAIN", "TEST"):
        lines = [f"{n},?,3:{n},1:{'ab'[n % 2]}" for n in range(6)]
        (tmp_path / f"X_{side}.ts").write_text(head + "\n".join(lines))
    found = scan_signals(tmp_path)
    assert len(found) == 12 and {one.split for one in found.signals} == {"train", "test"}
    np.testing.assert_array_equal(found.signals[2].values, [[2, 2], [np.nan, 1], [3, np.nan]])
    for bad, told in (
        (head.replace("false", "true"), "has a time with each value"),
        ("1,2:a", "no line '@data'"),
        (head.replace("true a b", "false"), "neither a class nor a number"),
        (head + "1,warm:a\n1,2:b", "line 5 has 'warm', which is no number"),
    ):
        (tmp_path / "Y.ts").write_text(bad)
        with pytest.raises(DataError, match=told):
            scan_signals(tmp_path / "Y.ts")
    with pytest.raises(DataError, match="3 .ts files that are not one for each side"):
        scan_signals(tmp_path)
    with pytest.raises(ValueError, match="`label` would have no effect of a .ts file"):
        scan_signals(tmp_path / "X_TEST.ts", label="x")


def hostile():
    pickled = io.BytesIO()
    np.save(pickled, np.array([{}], dtype=object), allow_pickle=True)
    huge = npy(np.zeros((2, 2))).replace(b"(2, 2)", b"(2e9,2)"[:6])
    declared = npy(np.zeros((2, 2), "f4")).replace(b"(2, 2), }", b"(9999, 9)}"[:9])
    sound = wav(np.zeros((50, 1)))
    return {
        "pickled.npy": (pickled.getvalue(), "declares an array of object"),
        "header.npy": (huge, "cannot be read"),
        "huge.npy": (declared, "cannot be read|declares an array"),
        "text.npy": (b"hello", "is no NPY file"),
        "words.npy": (npy(np.array(["a", "b"])), "holds an array of <U1"),
        "cube.npy": (npy(np.zeros((2, 2, 2))), r"shape \(2, 2, 2\), not numbers"),
        "empty.npy": (npy(np.zeros((0, 2))), "holds no value"),
        "infinite.npy": (npy(np.array([1.0, np.inf])), "infinity, first in step 1 of channel '0'"),
        "missing.npy": (npy(np.full(5, np.nan)), "holds no value"),
        "cut.wav": (sound[:-40], "declares 100 bytes of 'data', and ends after 60"),
        "silent.wav": (sound[:36], "without sound"),
        "mp3.wav": (sound[:20] + struct.pack("<H", 85) + sound[22:], "in the format 85"),
        "fake.wav": (b"ID3", "is no WAV file"),
        "blank.csv": (b"\n\n", "is empty"),
        "ragged.csv": (b"1,2\n3", "has 1 cells in row 2, not 2"),
        "words.csv": (b"x,y\n1,2\n3,warm", "has 'warm' in row 3, which is no number"),
        "jump.csv": (b"time,x\n0,1\n1,1\n2,1\n9,1", "not equally far apart: 7 s after step 2"),
        "other.csv": (b"time,up,down\n0,1,2\n0.02,1,2", "has the channels 'up', 'down', and most"),
        "fast.csv": (b"time,left,right\n0,1,2\n0.01,1,2", "has 100 steps per second, and most"),
    }


def test_hostile_files_are_left_out_by_name(folder):
    for name, (content, _) in hostile().items():
        (folder / "turn" / name).write_bytes(content)
    found = scan_signals(folder, max_unreadable_fraction=0.9)
    reasons = {one.path.name: one.reason for one in found.excluded}
    assert reasons.keys() == hostile().keys() and len(found) == 12
    for name, (_, told) in hostile().items():
        assert re.search(told, reasons[name]), (name, reasons[name])
    with pytest.raises(DataError, match="19 of 31 recordings .* cannot be used"):
        scan_signals(folder)


def test_windows_never_cross_a_split(folder):
    found = scan_signals(folder, window=8, stride=4)
    assert found.layout.window == 8 and max(len(one.values) for one in found.signals) == 8
    for way in ("random", "group", "auto"):
        sides = split_signals(found, split_by=way, test_fraction=0.25, val_fraction=0.25)
        wholes = [{one.whole for one in side.signals} for side in sides]
        assert all(wholes) and not (wholes[0] & wholes[1] | wholes[0] & wholes[2])
        assert sum(map(len, sides)) == len(found)
    short = scan_signals(folder, window=1000)
    assert len(short) == 12 and short.signals[0].name == "shake/00.csv"


def test_findings(tmp_path):
    for kind in "ab":
        (tmp_path / kind).mkdir()
        for i in range(5):
            values = np.random.default_rng([ord(kind), i]).normal(0, 1, (40, 3))
            if i == 4:
                values = np.load(tmp_path / kind / "3.npy") + 1e-3 * values
            values[:, 1] = 7
            np.save(tmp_path / kind / f"{i}.npy", values)
    np.save(tmp_path / "a" / "flat.npy", np.full((200, 3), 7.0))
    np.save(tmp_path / "a" / "b0.npy", np.load(tmp_path / "b" / "0.npy"))
    found = scan_signals(tmp_path)
    report = check_signals(found)
    codes = {finding.code for finding in report.findings}
    assert {"constant-channels", "constant-signals", "lengths", "no-rate"} <= codes
    assert {"conflicting-labels", "near-duplicates"} <= codes
    assert "1 channel with one value in all signals: '1'" in str(report)
    assert found.near_duplicates() and "photo" not in str(report)
    sides = [{one.name for one in side.signals} for side in split_signals(found)]
    assert any({"a/3.npy", "a/4.npy"} <= side for side in sides)


def test_a_clock_among_the_channels_is_told(tmp_path):
    for kind in "ab":
        (tmp_path / kind).mkdir()
        for i in range(3):
            noise = np.random.default_rng([ord(kind), i]).normal(0, 1, 30)
            rows = [f"{step / 30:.3f},{step + 7},{one:.4f}" for step, one in enumerate(noise)]
            text = "\n".join(["Time (s),no.,level", *rows])
            (tmp_path / kind / f"{i}.csv").write_text(text)
    said = str(check_signals(scan_signals(tmp_path)))
    assert "2 channels rising by equal steps in every signal: 'Time (s)', 'no.'. It" in said
    assert "clock" not in str(check_signals(scan_signals(tmp_path, channels=["level"])))


@pytest.mark.parametrize(
    "given, told",
    [
        ({"stride": 3}, "`stride` would have no effect without `window`"),
        ({"window": 0}, "`window` must be a whole number of steps"),
        ({"window": 4, "stride": 5}, "the steps between would be lost"),
        ({"rate": 0}, "`rate` must be a number of steps per second above 0"),
        ({"rate": 20}, "the files say 50 Hz themselves"),
        ({"id": "x"}, "`id` would have no effect of a folder"),
        ({"group_by": "x"}, "`group_by` must be 'folder' or None for a folder of recordings"),
        ({"max_unreadable_fraction": 2}, "must be from 0 to 1"),
        (
            {"channels": "left"},
            r"`channels` must be a list of names, not a text. Pass channels=\['l",
        ),
        ({"channels": ("up",)}, "has no channel 'up'; it has 'left', 'right'"),
    ],
)
def test_what_cannot_be_asked_for(folder, given, told):
    with pytest.raises(ValueError, match=told):
        scan_signals(folder, **given)
