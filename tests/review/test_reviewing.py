"""From a model and a folder to a page, with what is worth a look on it."""

import hashlib
import io
import shutil

import pytest
from PIL import Image

from kerasrecipes import DataError, ReviewServer, review_photos, scan_photos
from kerasrecipes.data.tables.decisions import read_decisions
from kerasrecipes.review import reviewing
from kerasrecipes.serve.review_queue import Queued, ReviewQueue

COPY = "stripe/copy.png"


@pytest.fixture(scope="module")
def folder(part_photos, tmp_path_factory):
    """Photos, one of which lies in two classes."""
    root = tmp_path_factory.mktemp("review") / "photos"
    shutil.copytree(part_photos, root)
    shutil.copy(root / "plain" / "01.png", root / "stripe" / "copy.png")
    return root


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Keeps what takes long away from the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERASRECIPES_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield patch


def test_a_page_from_a_model_and_a_folder(
    small_saved, small_backbone, folder, cache, tmp_path, monkeypatch
):
    root = shutil.copytree(folder, tmp_path / "photos")
    how = {"who": "ana", "backbone": small_backbone}
    with review_photos(small_saved, root, **how) as server:
        state = server.session.state()
        kinds = {kind: set() for kind, _ in state["kinds"]}
        for one in state["suspects"]:
            kinds[one["kind"]].add(state["photos"][one["photo"]]["name"])
            assert one["beside"] and one["photo"] not in one["beside"]
        assert kinds["conflicting_copy"] == {"plain/01.png", COPY}
        index = next(i for i, one in state["photos"].items() if one["name"] == COPY)
        drawn = Image.open(io.BytesIO(server.session.heatmap(index)))
        assert (drawn.format, drawn.size) == ("JPEG", (48, 48)) and state["heatmaps"]
        server.session.decide(index, "relabel", state["classes"].index("plain"))
    assert read_decisions(root / "labels.csv")[COPY].label == "plain"
    assert scan_photos(root).counts()["stripe"] == 16
    # The next time it counts under its new class.
    for _ in range(2):
        with review_photos(small_saved, root, **how) as server:
            state = server.session.state()
            assert state["decisions"][index]["label"] == "plain"
            assert "conflicting_copy" not in {one["kind"] for one in state["suspects"]}
        # What was found of the same photos and labels is not sought again.
        monkeypatch.setattr(reviewing, "find_mistakes", None)


def test_what_cannot_be_kept_is_said_before_anything_takes_time(
    small_saved, folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(reviewing, "find_mistakes", None)
    with pytest.raises(DataError, match="cannot be kept in '.*none/l.csv': the folder does not ex"):
        review_photos(small_saved, folder, to=tmp_path / "none" / "l.csv")
    (tmp_path / "l.csv").write_text("path,label\na,b\n")
    with pytest.raises(DataError, match="is no table of decisions"):
        review_photos(small_saved, folder, to=tmp_path / "l.csv")
    with ReviewServer() as other, pytest.raises(OSError, match="in use"):
        review_photos(small_saved, folder, port=other.server_port)


def test_what_a_server_kept_is_decided_about(small_saved, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(reviewing, "find_mistakes", None)
    queue = ReviewQueue(tmp_path / "parts")
    for name, label, other in (("plain/02.png", "dot", "plain"), ("dot/03.png", "dot", "")):
        content = (folder / name).read_bytes()
        one = Queued(
            sha256=hashlib.sha256(content).hexdigest(), label=label, suggestion=other, at=1.0,
            kind="disagreement" if other else "left_to_a_person", reason=f"says {label}",
            model="parts", version=1, request_id=name,
        )  # fmt: skip
        assert queue.add(one, content, ".png")
    with review_photos(small_saved, queue.folder, who="ana") as server:
        state = server.session.state()
        assert [kind for kind, _ in state["kinds"]] == ["disagreement", "left_to_a_person", "new"]
        assert [(one["kind"], one["suggestion"]) for one in state["suspects"]] == [
            ("disagreement", "plain"), ("left_to_a_person", ""),
        ]  # fmt: skip
        plain = state["classes"].index("plain")
        server.session.decide(state["suspects"][0]["photo"], "relabel", plain)
    (tmp_path / "photos").mkdir()
    assert queue.take_decided(tmp_path / "photos").moved == 1
    (moved,) = (tmp_path / "photos").glob("plain/*.png")
    assert moved.read_bytes() == (folder / "plain" / "02.png").read_bytes()


def test_texts_that_a_server_kept_are_decided_about(text_bundle, tmp_path):
    queue = ReviewQueue(tmp_path / "tickets")
    right, other = text_bundle.class_names[:2]
    for text in ("where is it?\r\nsay <b>", "something new"):
        one = Queued(
            sha256=hashlib.sha256(text.encode()).hexdigest(), label=right, at=1.0, kind="new",
            reason="its novelty", model="tickets", version=1, request_id=text[:5],
        )  # fmt: skip
        assert queue.add(one, text.encode(), ".txt")
    with review_photos(text_bundle, queue.folder, who="ana") as server:
        state = server.session.state()
        assert state["noun"] == "text" and not state["heatmaps"]
        assert [one["kind"] for one in state["suspects"]] == ["new", "new"]
        said = {i: one["text"] for i, one in state["photos"].items()}
        assert set(said.values()) == {"where is it?\nsay <b>", "something new"}
        place = next(i for i, text in said.items() if "where" in text)
        server.session.decide(place, "relabel", state["classes"].index(other))
        assert server.session.summary().startswith("1 texts are decided about, in ")
    (tmp_path / "texts").mkdir()
    assert queue.take_decided(tmp_path / "texts").moved == 1
    (moved,) = (tmp_path / "texts").glob(f"{other}/*.txt")
    assert moved.read_bytes() == b"where is it?\r\nsay <b>"
    with pytest.raises(DataError, match="A review works with models for photos so far"):
        review_photos(text_bundle, tmp_path / "texts")
