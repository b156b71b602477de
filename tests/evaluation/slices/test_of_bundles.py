"""A saved model is measured by the columns of a table, in Python and on the command line."""

import json

import pytest

import kerasrecipes as kr
from kerasrecipes.cli import main
from kerasrecipes.errors import DataError


@pytest.fixture(scope="module")
def saved(tiny, trained, tmp_path_factory):
    """A bundle; not to be changed."""
    return tiny.write_bundle(tmp_path_factory.mktemp("saved_models") / "colours", trained)


@pytest.fixture(scope="module")
def table(tiny, tmp_path_factory):
    """Photos of three colours; those of the camera "bad" have wrong labels."""
    folder = tmp_path_factory.mktemp("cameras")
    pixels, labels = tiny.colour_photos(60, seed=77)
    lines = []
    for i, (photo, label) in enumerate(zip(pixels, labels, strict=True)):
        (folder / f"{i}.png").write_bytes(tiny.png(photo))
        bad = i % 4 == 0
        name = tiny.CLASS_NAMES[(label + bad) % 3]
        camera = "<b>bad" if bad else ["good", "new"][i % 2]
        lines.append(
            json.dumps({"path": f"{i}.png", "label": name, "Camera": camera, "batch": i // 20})
        )
    path = folder / "photos.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_column_of_the_table_shows_the_bad_camera(saved, table):
    found = kr.evaluate_bundle(saved.folder, table, slices=["camera", "brightness"])
    assert found.slices.worst.value == "<b>bad" and found.slices.worst.shown
    assert {one.column for one in found.slices.slices} == {"camera", "brightness"}
    assert "The worst of 7 slices is camera: <b>bad" in str(found)
    assert "&lt;b&gt;bad" in found._repr_html_()
    assert kr.evaluate_bundle(saved.folder, table).slices is None


def test_the_command_line_says_the_same(saved, table, capsys):
    with pytest.raises(SystemExit) as end:
        main(["evaluate", str(saved.folder), str(table), "--slice", "batch", "--json"])
    assert end.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["column"] for one in told["slices"]["slices"]] == ["batch"] * 3


@pytest.mark.parametrize(
    ("slices", "message"),
    [
        (["kamera"], "no column 'kamera'.*Did you mean 'camera'.*brightness"),
        (["time"], "no column 'time'"),
        (["path"], "`path` has 60 different values"),
    ],
)
def test_wrong_columns_are_refused(saved, table, slices, message):
    with pytest.raises(DataError, match=message):
        kr.evaluate_bundle(saved.folder, table, slices=slices)
    with pytest.raises(ValueError, match="must be a list of columns"):
        kr.evaluate_bundle(saved.folder, table, slices="camera")


def test_a_table_that_changed_since_is_refused(saved, table):
    photos = kr.scan_photos(table, for_training=False)
    lines = table.read_text("utf-8").splitlines()
    table.write_text("\n".join(reversed(lines)), encoding="utf-8")
    try:
        with pytest.raises(DataError, match="not as it was"):
            kr.evaluate_bundle(saved.folder, photos, slices=["camera"])
    finally:
        table.write_text("\n".join(lines), encoding="utf-8")
