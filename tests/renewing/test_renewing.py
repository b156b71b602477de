"""A successor: what tested its predecessor never teaches it, and gates alone let it be used."""

import shutil
from types import SimpleNamespace

import pytest
from PIL import Image

import kerasrecipes as kr
from kerasrecipes.data.examples import CLASS
from kerasrecipes.renewing import renewing
from kerasrecipes.renewing.renewing import _begun, _take
from kerasrecipes.renewing.sides import stable_sides
from kerasrecipes.training import keeping

KINDS = ("dot", "plain", "stripe")


class Fake:
    """Examples as far as a split looks at them."""

    def __init__(self, items):
        self.items, self.target = tuple(items), CLASS

    def __len__(self) -> int:
        return len(self.items)

    def select(self, places) -> "Fake":
        return Fake(self.items[place] for place in places)

    def keys(self) -> set[str]:
        return {item.key for item in self.items}


def item(key: str, group: str | None = None, split: str | None = None):
    return SimpleNamespace(key=key, group=group, split=split)


def test_sides_stay_whatever_comes_later():
    few = Fake(item(f"{i}") for i in range(300))
    more = Fake(item(f"{i}") for i in range(1000))
    first, later = (stable_sides(one, {}, 0.2, 0.2) for one in (few, more))
    for side in ("train", "val", "test"):
        assert getattr(first, side).keys() <= getattr(later, side).keys()
    assert 150 < len(later.val) < 250 and 150 < len(later.test) < 250
    assert sum(later.new.values()) == 1000


def test_what_was_seen_stays_on_its_side_and_takes_its_group_with_it():
    seen = {"a": "train", "b": "val", "c": "test", "d": "calibration", "e": "held out in May"}
    found = stable_sides(Fake(item(key) for key in seen), seen, 0.2, 0.2)
    assert found.train.keys() == {"a", "d"} and found.val.keys() == {"b"}
    assert found.test.keys() == {"c", "e"} and found.new == {"train": 0, "val": 0, "test": 0}
    grouped = [item("c", "one"), *(item(f"x{i}", "one") for i in range(9)), item("y", split="val")]
    found = stable_sides(Fake(grouped), seen, 0.2, 0.2)
    assert len(found.test) == 10 and found.val.keys() == {"y"}
    # A group that was on two sides, e.g. since groups were declared late, is on the last of them.
    mixed = Fake([item("a", "two"), item("b", "two")])
    assert len(stable_sides(mixed, seen, 0.2, 0.2).val) == 2


@pytest.fixture(scope="module")
def line(tmp_path_factory, draw_part, tiny_spec):
    """A model in use, and its folder of photos, to which some are added."""
    from kerasrecipes import backbones

    root = tmp_path_factory.mktemp("line")

    def add(first: int, last: int) -> None:
        for kind in KINDS:
            (root / "photos" / kind).mkdir(parents=True, exist_ok=True)
            for seed in range(first, last):
                path = root / "photos" / kind / f"{seed}.png"
                Image.fromarray(draw_part(kind, seed)).save(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(backbones._REGISTRY.added, "tiny", tiny_spec())
        add(0, 30)
        photos = kr.scan_photos(root / "photos")
        train, val, test = kr.split_photos(photos, test_fraction=0.3, val_fraction=0.2)
        schedule = kr.UnfreezeSchedule.full(epochs=6, learning_rate=0.01)
        recipe = kr.ImageClassifier(
            "tiny", image_size=(48, 48), schedule=schedule, batch_size=16, augment="none", views=1,
            start="head",
        )  # fmt: skip
        recipe.fit(train, val, verbose=False)
        recipe.evaluate(test)
        recipe.save(root / "models" / "parts").export("tflite")
        yield SimpleNamespace(root=root, add=add, model=root / "models" / "parts")


def test_a_successor_is_compared_and_becomes_a_candidate_through_the_gates(line):
    photos = line.root / "photos"
    with pytest.raises(kr.NoEffectError, match="to train on is new to"):
        kr.retrain_model(line.model, photos, verbose=False)
    line.add(100, 120)
    found = kr.retrain_model(line.model, photos, verbose=False, why="a new lamp")
    assert found.bundle.folder.name == "2" and found.passed and sum(found.new.values()) == 60
    assert set(found.ways) == {"the model in use", "pretrained weights"}
    assert found.chosen in found.ways and found.before.photos == 27
    before, after = (kr.Bundle.load(line.model / number).seen() for number in ("1", "2"))
    assert {(side, after[key]) for key, side in before.items()} <= {
        ("train", "train"), ("val", "val"), ("test", "test"),
    }  # fmt: skip
    log = kr.model_history(line.model)
    assert log.aliases == {"candidate": 2} and log.entries[-1].why == "a new lamp"
    assert "New since parts 1: " in str(found) and found.to_dict()["alias"] == "candidate"
    line.add(120, 130)
    strict = kr.Gates(max_size_mb=0.0001)
    found = kr.retrain_model(line.model, photos, ways=("champion",), gates=strict, verbose=False)
    assert not found.passed and "size" in found.refused and "no alias was changed" in str(found)
    assert kr.model_history(line.model).aliases == {"candidate": 2}
    # What it learned goes back to the same weights, under the same licence; from the start, a later
    # one begins where the first began, also where the folder was moved.
    first, third = kr.Bundle.load(line.model / "1"), found.bundle
    assert third.manifest.weights["licence"] == first.manifest.weights["licence"]
    assert third.manifest.recipe["weights"] == str(line.model / "2" / "model.keras")
    moved = shutil.copytree(line.model, line.root / "moved" / "parts") / third.folder.name
    for folder in (third.folder, moved):
        assert _begun(kr.Bundle.load(folder), "start").weights == "default"


def test_ways_that_are_none_are_refused(tmp_path):
    for ways in ((), ("start", "start"), ("middle",)):
        with pytest.raises(ValueError, match="`ways` must be some of 'champion', 'start'"):
            kr.retrain_model(tmp_path, tmp_path, ways=ways)


def test_gates_are_read_before_anything_is_trained(tmp_path):
    (tmp_path / "gates.toml").write_bytes(b"a = [")
    with pytest.raises(kr.DataError, match="gates.toml' is no TOML file"):
        kr.retrain_model(tmp_path / "none", tmp_path, gates=tmp_path / "gates.toml")


def test_a_disk_without_room_for_a_successor_is_told_first(exported_once, tmp_path, monkeypatch):
    monkeypatch.setattr(keeping.shutil, "disk_usage", lambda _: SimpleNamespace(free=9000))
    with pytest.raises(OSError, match="will not fit into .* Free some space"):
        kr.retrain_model(exported_once.folder.parent, tmp_path / "none", queue=tmp_path / "none")


def test_a_model_of_a_backbone_without_a_name_is_refused_before_its_queue_is_taken(
    tmp_path, monkeypatch
):
    manifest = SimpleNamespace(recipe={"backbone": "model:net"}, modality="photos", size_bytes={})
    champion = SimpleNamespace(manifest=manifest)
    monkeypatch.setattr(renewing, "Bundle", SimpleNamespace(load=lambda _: champion))
    monkeypatch.setattr(renewing, "chosen_export", lambda _: None)
    monkeypatch.setattr(renewing, "_take", lambda *_: pytest.fail("too late"))
    with pytest.raises(
        ValueError, match=r"to retrain, train once .* group kerasrecipes\.backbones"
    ):
        kr.retrain_model(tmp_path, tmp_path, queue=tmp_path)


def test_a_queue_is_taken_into_a_folder(tmp_path):
    photos = kr.PhotoSet(photos=(), class_names=("a", "b"), root=tmp_path)
    with pytest.raises(kr.DataError, match="`photos` is a set that was scanned already. Pass its"):
        _take(tmp_path / "queue", photos)
