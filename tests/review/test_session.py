"""What is decided is written down at once, can be taken back, and is there the next time."""

import os

import pytest

from kerasrecipes import DataError, scan_photos
from kerasrecipes.data.tables.decisions import read_decisions
from kerasrecipes.review.session import Session, under_decisions


def test_what_the_page_gets(session, photos, root):
    state = session.state()
    assert state["classes"] == ["<b>dent", "crack", "good"]
    assert [one["photo"] for one in state["suspects"]] == [3, 0, 8, 0]
    # Only what is shown, and by numbers alone.
    assert set(state["photos"]) == {0, 1, 3, 6, 7, 8}
    assert state["photos"][3] == {"name": "crack/0<i>.png", "label": "crack"}
    assert state["decisions"] == {} and state["heatmaps"] is False
    assert session.summary() == f"Nothing was decided; '{root}/labels.csv' was not written."


def test_a_decision_is_in_the_file_at_once_and_counts_in_a_scan(session, root):
    assert session.decide(3, "relabel", 2) == {
        "photo": 3, "undo": 1,
        "decision": {"decision": "relabel", "label": "good", "who": "ana",
                     "when": session.state()["decisions"][3]["when"]},
    }  # fmt: skip
    session.decide(8, "exclude")
    found = read_decisions(root / "labels.csv")
    assert (found["crack/0<i>.png"].label, found["crack/0<i>.png"].was) == ("good", "crack")
    assert found["good/2<i>.png"].decision == "exclude"
    assert len(scan_photos(root)) == 8
    assert scan_photos(root).counts() == {"<b>dent": 3, "crack": 2, "good": 3}
    assert session.summary() == f"2 photos are decided about, in '{root}/labels.csv'."


def test_undo_takes_back_step_by_step_to_what_was_there(session, photos, root):
    session.decide(0, "keep")
    again = Session(photos, [], {}, root / "labels.csv", who="ben")
    assert again.state()["decisions"][0]["who"] == "ana"
    with pytest.raises(DataError, match="nothing to take back in this sitting"):
        again.undo()
    again.decide(0, "exclude")
    again.decide(0, "cannot tell")
    assert again.undo()["decision"]["decision"] == "exclude"
    assert again.undo() == {
        "photo": 0, "decision": session.state()["decisions"][0], "undo": 0,
    }  # fmt: skip
    assert session.undo()["decision"] is None
    assert not os.path.exists(root / "labels.csv")


@pytest.mark.parametrize(
    "told", [(-1, "keep"), (9, "keep"), (0, "maybe"), (0, "relabel"), (0, "relabel", 3),
             (0, "relabel", -1), (0, "keep", 1)],
)  # fmt: skip
def test_what_cannot_be_decided_is_refused(session, root, told):
    with pytest.raises(DataError, match="There is no photo|A class from 0 to 2 goes with"):
        session.decide(*told)
    assert not os.path.exists(root / "labels.csv")


def test_a_full_disk_leaves_all_as_it_was(session, root, monkeypatch):
    session.decide(4, "keep")
    session.decide(0, "keep")
    before = (root / "labels.csv").read_bytes()

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="Free some space"):
        session.decide(1, "keep")
    with pytest.raises(OSError, match="Free some space"):
        session.undo()
    monkeypatch.undo()
    assert (root / "labels.csv").read_bytes() == before
    assert session.decide(2, "keep")["undo"] == 3


def test_another_file_of_that_name_is_not_touched(photos, root):
    (root / "labels.csv").write_text("path,label\na,b\n")
    with pytest.raises(DataError, match="is no table of decisions"):
        Session(photos, [], {}, root / "labels.csv")


def test_decided_classes_count_when_photos_are_looked_at_again(session, photos, root, make):
    session.decide(3, "relabel", 2)
    session.decide(8, "exclude")
    again = under_decisions(photos, root / "labels.csv")
    assert len(again) == 9 and again.photos[3].label == "good"
    # Another photo under the same name was never decided about.
    make.photo(root / "crack" / "0<i>.png", 500, (64, 80))
    again = under_decisions(scan_photos(root, labels_from=None), root / "labels.csv")
    assert again.photos[3].label == "crack"
    text = (root / "labels.csv").read_text()
    (root / "labels.csv").write_text(text.replace('"exclude",""', '"relabel","rust"'))
    with pytest.raises(DataError, match="gives photos the classes 'rust', which none of them had"):
        under_decisions(photos, root / "labels.csv")


def test_pictures_are_small_and_of_what_was_scanned(session, photos, root, make):
    import io

    from PIL import Image

    make.photo(root / "crack" / "big.png", 77, (1500, 3000))
    big = scan_photos(root, labels_from=None)
    index = [photo.path.name for photo in big.photos].index("big.png")
    session = Session(big, [], {}, root / "labels.csv")
    assert Image.open(io.BytesIO(session.pictures.thumbnail(index))).size == (192, 96)
    assert Image.open(io.BytesIO(session.pictures.photo(index))).size == (1200, 600)
    make.photo(root / "crack" / "0<i>.png", 500, (64, 80))
    with pytest.raises(DataError, match="has changed since it was scanned"):
        session.pictures.photo(3)
