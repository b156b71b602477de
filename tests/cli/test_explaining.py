import json

from PIL import Image


def test_a_picture_for_each_photo_and_where_it_points(kr, model, photos, tmp_path):
    to = tmp_path / "heatmaps"
    (photos / "dot" / "bad.png").write_bytes(b"none")
    code, out, err = kr("explain", model, photos / "dot", photos / "plain/00.png", "--to", to)
    assert code == 1 and "bad.png" in err  # the others are drawn
    assert len(list(to.glob("*.png"))) == 16 and (to / "plain/00.png.png").is_file()
    assert out.count(".png.png") == 17
    assert Image.open(to / "01.png.png").size == (2 * 48 + 8, 48)

    Image.new("L", (48, 48), "white").save(tmp_path / "all.png")
    (tmp_path / "marked.csv").write_text("path,label,mask\nphotos/dot/00.png,dot,all.png\n")
    code, out, _ = kr(
        "explain", model, tmp_path / "marked.csv", "--to", to, "--of", "dot", "--json"
    )
    one, game = map(json.loads, out.splitlines())
    assert code == 0 and one["label"] == "dot" and (to / "dot" / "00.png.png").is_file()
    assert game["hits"][0] == game["chance"] == 1


def test_no_picture_takes_the_place_of_another(kr, model, photos, tmp_path):
    code, _, err = kr(
        "explain", model, photos / "dot", photos / "plain", "--to", tmp_path / "heatmaps"
    )
    assert code == 1 and "Two photos would have the picture '00.png.png'" in err


def test_pictures_do_not_land_among_the_photos(kr, model, photos):
    code, _, err = kr("explain", model, photos, "--to", photos / "heat")
    assert code == 1 and "would be taken for photos" in err and not (photos / "heat").exists()
    code, _, err = kr("explain", model, photos, "--of", "dit")
    assert code == 1 and "Did you mean 'dot'?" in err
