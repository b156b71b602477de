"""What is worth a look among photos, with a model that knows most of them."""

import shutil

import numpy as np
import pytest
from PIL import Image

from kerasrecipes import DataError, ReviewServer, review_photos, scan_photos
from kerasrecipes.data.tables.decisions import read_decisions
from kerasrecipes.review import looking
from kerasrecipes.review.looking import find_suspects

WRONG = ("dot/moved.png", "plain/moved.png")


@pytest.fixture(scope="module")
def folder(part_photos, tmp_path_factory):
    """Photos: two lie in the wrong folder, one is there twice, and one is of nothing."""
    root = tmp_path_factory.mktemp("review") / "photos"
    shutil.copytree(part_photos, root)
    (root / "stripe" / "00.png").rename(root / "dot" / "moved.png")
    (root / "stripe" / "02.png").rename(root / "plain" / "moved.png")
    shutil.copy(root / "plain" / "01.png", root / "stripe" / "copy.png")
    black = np.zeros((48, 48, 3), np.uint8)
    black[:24] = 255
    Image.fromarray(black).save(root / "plain" / "odd.png")
    return root


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Keeps what takes long away from the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERASRECIPES_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield patch


@pytest.fixture(scope="module")
def suspects(small_saved, folder, cache):
    photos = small_saved.scan(folder, labels_from=None)
    found = find_suspects(small_saved, photos)
    names = [f"{photo.path.parent.name}/{photo.path.name}" for photo in photos.photos]
    return photos, names, found


def of_kind(suspects, kind):
    _, names, found = suspects
    return {names[one.index]: one for one in found if one.kind == kind}


def test_wrong_labels_are_found_though_the_model_learned_from_them(suspects):
    found = of_kind(suspects, "label_error")
    assert set(WRONG) <= set(found), found
    assert {found[name].suggestion for name in WRONG} == {"stripe"}
    assert len(found) <= 12


def test_a_copy_with_another_label_is_found(suspects):
    _, names, _ = suspects
    found = of_kind(suspects, "conflicting_copy")
    assert set(found) == {"plain/01.png", "stripe/copy.png"}
    assert [names[i] for i in found["plain/01.png"].beside] == ["stripe/copy.png"]


def test_what_is_like_no_other_is_found(suspects):
    assert "plain/odd.png" in of_kind(suspects, "outlier")


def test_the_models_own_mistakes_count_only_where_it_did_not_learn(suspects, small_saved):
    photos, names, _ = suspects
    met = small_saved.seen()
    for name in of_kind(suspects, "confident_mistake"):
        assert met.get(photos.photos[names.index(name)].key) not in {"train", "val"}


def test_each_has_others_beside_it_and_nothing_but_the_photos_is_needed_again(
    suspects, small_saved, monkeypatch
):
    photos, _, found = suspects
    assert all(one.beside and one.index not in one.beside for one in found)
    monkeypatch.setattr(looking, "_ask", None)
    monkeypatch.setattr(looking, "_out_of_fold", None)
    assert find_suspects(small_saved, photos) == found


def test_too_few_photos_to_doubt_labels_are_said(small_saved, folder, tmp_path, cache, capsys):
    for kind in ("dot", "plain"):
        (tmp_path / kind).mkdir()
        for i in range(3):
            shutil.copy(folder / kind / f"{i:02}.png", tmp_path / kind)
    shutil.copy(tmp_path / "dot" / "01.png", tmp_path / "plain" / "copy.png")
    found = find_suspects(small_saved, small_saved.scan(tmp_path))
    assert "Too few photos of each class to doubt their labels" in capsys.readouterr().err
    assert "conflicting_copy" in {one.kind for one in found}
    assert "label_error" not in {one.kind for one in found}


def test_a_page_from_a_model_and_a_folder(small_saved, folder, cache, tmp_path):
    root = shutil.copytree(folder, tmp_path / "photos")
    with review_photos(small_saved, root, who="ana") as server:
        state = server.session.state()
        index = next(i for i, one in state["photos"].items() if one["name"] == WRONG[0])
        server.session.decide(index, "relabel", state["classes"].index("stripe"))
    assert read_decisions(root / "labels.csv")[WRONG[0]].label == "stripe"
    assert scan_photos(root).counts()["stripe"] == 16
    # The next time it is not doubted under its new class.
    with review_photos(small_saved, root) as server:
        state = server.session.state()
        assert state["decisions"][index]["label"] == "stripe"
        kinds = {one["kind"] for one in state["suspects"] if one["photo"] == index}
        assert "label_error" not in kinds


def test_what_cannot_be_kept_is_said_before_anything_takes_time(
    small_saved, folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(looking, "find_suspects", None)
    with pytest.raises(DataError, match="cannot be kept in '.*none/l.csv': the folder does not ex"):
        review_photos(small_saved, folder, to=tmp_path / "none" / "l.csv")
    (tmp_path / "l.csv").write_text("path,label\na,b\n")
    with pytest.raises(DataError, match="is no table of decisions"):
        review_photos(small_saved, folder, to=tmp_path / "l.csv")
    with ReviewServer() as other, pytest.raises(OSError, match="in use"):
        review_photos(small_saved, folder, port=other.server_port)
