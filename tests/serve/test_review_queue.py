"""What people should look at is kept, shown, decided and taken over; each of it once."""

import hashlib
import os

import pytest

import kerasrecipes as kr
from kerasrecipes.data.tables.decisions import Decision, decisions_file, write_decision
from kerasrecipes.serve.review_queue import Queued, ReviewQueue


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def queued(content: bytes, label="crack", **more) -> Queued:
    told = {"kind": "left_to_a_person", "reason": "", "model": "tiles", "version": 4, "at": 0.0}
    return Queued(sha256=sha256(content), label=label, request_id="1", **told, **more)


def decide(queue, content, decision, label=""):
    one = next(x for x in queue.entries() if x.sha256 == sha256(content))
    write_decision(
        decisions_file(queue.folder / "waiting.jsonl"), one.file,
        Decision(one.file, one.sha256, decision, label),
    )  # fmt: skip


def test_each_waits_once_and_not_too_many(tmp_path):
    queue = ReviewQueue(tmp_path / "tiles", most=2, most_bytes=10)
    assert not queue.exists and queue.entries() == []
    assert queue.add(queued(b"a")) and queue.add(queued(b"a")) and queue.exists
    assert not queue.add(queued(b"x" * 11), b"x" * 11, ".png")  # too large
    assert queue.add(queued(b"b"), b"b", ".png") and not queue.add(queued(b"c"))
    assert sorted(one.file for one in queue.entries()) == ["", f"photos/{sha256(b'b')}.png"]
    table, kept = queue.write_table()
    assert len(kept) == 1 and table.read_text().count("crack") == 1
    with pytest.raises(ValueError, match="`most` must be at least 1"):
        ReviewQueue(tmp_path, most=0)


def test_what_is_decided_is_taken_over(tmp_path):
    queue, photos = ReviewQueue(tmp_path / "tiles"), tmp_path / "photos"
    for name in (b"keep", b"relabel", b"exclude", b"cannot tell", b"nothing"):
        queue.add(queued(name), name, ".png")
    with pytest.raises(kr.DataError, match="is no folder, so that"):
        queue.take_decided(photos)
    photos.mkdir()
    for name in (b"keep", b"exclude", b"cannot tell"):
        decide(queue, name, name.decode())
    decide(queue, b"relabel", "relabel", "good")
    taken = queue.take_decided(photos)
    assert (taken.moved, taken.removed) == (2, 1)
    moved = {path.parent.name: path.read_bytes() for path in photos.glob("*/*.png")}
    assert moved == {"crack": b"keep", "good": b"relabel"}
    assert len(queue.entries()) == 2 and len(list((queue.folder / "photos").iterdir())) == 2
    assert queue.take_decided(photos).moved == 0
    decide(queue, b"nothing", "relabel", "../out")
    with pytest.raises(kr.DataError, match="cannot have the name of the class '../out'"):
        queue.take_decided(photos)
    with pytest.raises(kr.DataError, match="is no queue"):
        ReviewQueue(tmp_path / "none").take_decided(photos)


def test_damage_and_links_are_named(tmp_path):
    queue = ReviewQueue(tmp_path / "tiles")
    queue.add(queued(b"a"))
    with pytest.raises(
        kr.DataError, match="No photo or text waits in .* with --review-queue and --keep"
    ):
        queue.write_table()
    (path,) = (queue.folder / "entries").iterdir()
    text = path.read_text()
    for damaged in (text[:-9], text.replace('"file":""', '"file":"../../x.png"'), "[]"):
        path.write_text(damaged)
        with pytest.raises(kr.DataError, match="entries/.* cannot be used: .*Remove it"):
            queue.entries()
    path.unlink()
    os.symlink("/etc/hostname", path)
    with pytest.raises(kr.DataError, match="cannot be used"):
        queue.entries()
