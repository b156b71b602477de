"""The log of aliases: what was changed in it is noticed, and a writer that was killed is not."""

import json
import os

import pytest

import kerasrecipes as kr
from kerasrecipes.bundles.aliases import LogEntry, read_aliases
from kerasrecipes.promotion.log import OpenLog, changing

FIELDS = {
    "who": "ana", "action": "promote", "alias": "champion", "before": None, "why": "",
    "bundle_sha256": "0" * 64, "export": "tflite-int8", "export_sha256": "0" * 64,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """A model's folder whose alias was changed three times."""
    for version in (1, 2, 3):
        with changing(tmp_path) as log:
            log.add(**FIELDS, version=version)
    assert read_aliases(tmp_path).aliases == {"champion": 3}
    return tmp_path


def lines(folder):
    return (folder / "history.jsonl").read_bytes().splitlines(keepends=True)


def test_several_changes_at_once_are_all_written_down(tmp_path):
    with changing(tmp_path) as log:
        for version in (1, 2, 3):
            log.add(**FIELDS, version=version)
    assert [one.version for one in read_aliases(tmp_path).entries] == [1, 2, 3]


@pytest.mark.parametrize(
    "damage, said",
    [
        (lambda old: [old[0].replace(b"ana", b"eve"), *old[1:]], "changed in line 2, or before"),
        (lambda old: [*old[:2], old[2].replace(b"ana", b"eve")], "not the log of 3 changes"),
        (lambda old: old[:2], "not the log of 3 changes"),
        (lambda old: [old[0], old[2]], "changed in line 2"),
        (lambda old: [old[1], old[0], old[2]], "changed in line 1"),
        (lambda old: [*old, old[2]], "changed in line 4"),
        (lambda old: [old[0], b"{}\n", old[2]], "damaged in line 2: it lacks 'number'"),
        (lambda old: [old[0], b"\xff\n", old[2]], "damaged in line 2: it is not UTF-8"),
        (lambda old: [old[0].replace(b": ", b":  ", 1), *old[1:]], "changed in line 1"),
        (lambda old: [], "not the log of 3 changes"),
    ],
)
def test_what_was_changed_is_noticed(folder, damage, said):
    (folder / "history.jsonl").write_bytes(b"".join(damage(lines(folder))))
    with pytest.raises(kr.IntegrityError, match=said) as caught:
        read_aliases(folder)
    assert "Restore 'history.jsonl' and 'aliases.json' from a copy" in str(caught.value)
    with pytest.raises(kr.IntegrityError), changing(folder):
        pass


def test_every_byte_counts(folder):
    content = (folder / "history.jsonl").read_bytes()
    for place in range(0, len(content), 41):
        damaged = bytearray(content)
        damaged[place] ^= 1
        (folder / "history.jsonl").write_bytes(damaged)
        with pytest.raises(kr.IntegrityError):
            read_aliases(folder)


def test_other_aliases_than_the_log_tells_are_noticed(folder):
    told = json.loads((folder / "aliases.json").read_text())
    (folder / "aliases.json").write_text(json.dumps({**told, "aliases": {"champion": 1}}))
    with pytest.raises(kr.IntegrityError, match="aliases.json' was changed: it is not what"):
        read_aliases(folder)
    (folder / "aliases.json").write_text("[]")
    with pytest.raises(kr.IntegrityError, match="aliases.json' is damaged"):
        read_aliases(folder)
    (folder / "aliases.json").unlink()
    with pytest.raises(kr.IntegrityError, match="aliases.json' is missing"):
        read_aliases(folder)
    os.mkfifo(folder / "aliases.json")
    with pytest.raises(kr.IntegrityError, match="aliases.json' cannot be read"):
        read_aliases(folder)


def test_a_writer_that_was_killed_leaves_a_whole_log(folder):
    # After the line, before the aliases.
    before = (folder / "aliases.json").read_bytes()
    with changing(folder) as log:
        log.add(**FIELDS, version=4)
    (folder / "aliases.json").write_bytes(before)
    assert read_aliases(folder).aliases == {"champion": 4}
    # In the middle of a line.
    whole = (folder / "history.jsonl").read_bytes()
    (folder / "history.jsonl").write_bytes(whole + b'{"action": "prom')
    assert read_aliases(folder).aliases == {"champion": 4}
    with changing(folder) as log:
        log.add(**FIELDS, version=5)
    assert read_aliases(folder).aliases == {"champion": 5}
    assert len(lines(folder)) == 5
    # Two lines more than were written down are nobody's.
    (folder / "aliases.json").write_bytes(before)
    with pytest.raises(kr.IntegrityError, match="more than the 3 changes"):
        read_aliases(folder)


@pytest.mark.parametrize("written", [0, 1])
def test_a_full_disk_leaves_all_as_it_was(folder, monkeypatch, written):
    before, synced, sync = (folder / "history.jsonl").read_bytes(), [], os.fsync

    def full(descriptor):
        if len(synced) == written:
            raise OSError(28, "No space left on device")
        synced.append(sync(descriptor))

    with changing(folder) as log:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="Free some space"):
            log.add(**FIELDS, version=4)
        monkeypatch.undo()
    assert (folder / "history.jsonl").read_bytes() == before
    assert isinstance(log, OpenLog) and read_aliases(folder).aliases == {"champion": 3}


def test_names_of_all_kinds_stay_as_they_are(tmp_path):
    who = "Zoë\n\u202e\udce4 😀"
    with changing(tmp_path) as log:
        log.add(**{**FIELDS, "who": who}, version=1)
    (entry,) = read_aliases(tmp_path).entries
    assert isinstance(entry, LogEntry) and entry.who == who
