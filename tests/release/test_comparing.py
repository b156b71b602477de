"""Champion against challenger: what differs, how sure that is, and what cannot be compared."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.cli import main
from kerasrecipes.data.specs import Alarm, OutputSpec
from kerasrecipes.release.comparison import BETTER, MIXED, NOT_SHOWN, WORSE


@pytest.fixture(scope="module")
def models(tiny, trained, tmp_path_factory):
    """Bundles by name: one that knows its colours, the same otherwise put, and a worse one."""
    import keras

    root = tmp_path_factory.mktemp("models")
    scores = OutputSpec(name="scores", task="classification", class_names=tiny.CLASS_NAMES)
    alarm = Alarm(classes=("blue",), threshold=0.5)

    def kept(photos, labels):
        return labels

    def weakened(model, by: float):
        other = keras.models.clone_model(model)
        other.set_weights(model.get_weights())
        kernel, bias = other.layers[-1].get_weights()
        other.layers[-1].set_weights([kernel, bias + np.array([-by, 0, 0])])
        return other

    def shuffled(model):
        other = weakened(model, 0)
        kernel, bias = other.layers[-1].get_weights()
        other.layers[-1].set_weights([kernel[:, [2, 0, 1]], bias[[2, 0, 1]]])
        photo = keras.Input((64, 64, 3), name="photo")
        return keras.Model(photo, other(keras.layers.AveragePooling2D(2)(photo)))

    def write(name, model, output=scores):
        return tiny.write_bundle(root / name, model, output, kept)

    order = tuple(tiny.CLASS_NAMES[i] for i in (2, 0, 1))
    write("colours", trained, scores.model_copy(update={"alarm": alarm}))
    write("colours", weakened(trained, 40), scores.model_copy(update={"alarm": alarm}))
    write("larger", shuffled(trained), scores.model_copy(update={"class_names": order}))
    write("others", trained, scores.model_copy(update={"class_names": ("a", "b", "c")}))
    write("ordered", trained, scores.model_copy(update={"task": "ordinal"}))
    return root


@pytest.fixture(scope="module")
def photos(tiny, tmp_path_factory):
    """A folder of 60 photos in three classes; not to be changed."""
    root = tmp_path_factory.mktemp("photos")
    pixels, labels = tiny.colour_photos(60, seed=77)
    for i, (photo, label) in enumerate(zip(pixels, labels, strict=True)):
        folder = root / ["blue", "green", "red"][label]
        folder.mkdir(exist_ok=True)
        (folder / f"{i:02}.png").write_bytes(tiny.png(photo))
    (root / "red").rename(root / tiny.CLASS_NAMES[2])
    return root


def test_a_worse_challenger_is_shown_to_be_worse(models, photos):
    found = kr.compare_bundles(models / "colours" / "1", models / "colours" / "2", photos)
    assert found.verdict == WORSE and str(found).startswith("WORSE: 'colours 2' is worse in")
    names = [one.name for one in found.measures]
    assert names[0] == "accuracy" and "recall at the operating point" in names
    accuracy = found.measures[0]
    assert accuracy.low <= accuracy.difference <= accuracy.high < 0 and accuracy.rows == 60
    blue = next(one for one in found.classes if one.name == "blue: alarm")
    assert blue.after < blue.before and blue.rows == 20 and blue.verdict() == -1
    assert "photos" in found._repr_html_()
    back = kr.compare_bundles(models / "colours" / "2", models / "colours" / "1", photos)
    assert back.verdict == BETTER and back.measures[0].difference == -accuracy.difference


def test_another_order_of_classes_and_size_of_photos_make_no_difference(models, photos):
    found = kr.compare_bundles(models / "colours" / "1", models / "larger", photos)
    assert found.agreement > 0.95 and found.verdict == NOT_SHOWN
    assert "NO DIFFERENCE IS SHOWN" in str(found) and "may be anything from" in str(found)
    assert found.notes == ("Only 'colours 1' has an operating point, so none are compared.",)


def test_what_answers_another_question_is_refused(models, photos, tmp_path):
    first = models / "colours" / "1"
    with pytest.raises(kr.DataError, match="different classes"):
        kr.compare_bundles(first, models / "others", photos)
    with pytest.raises(kr.DataError, match="different task: 'classification' and 'ordinal'"):
        kr.compare_bundles(first, models / "ordered", photos)
    with pytest.raises(ValueError, match="are the same"):
        kr.compare_bundles(first, first, photos)


def test_photos_that_one_has_seen_are_refused_or_left_out(small_saved, part_photos, tmp_path):
    shutil.copytree(small_saved.folder, tmp_path / "parts" / "1")
    shutil.copytree(small_saved.folder, tmp_path / "parts" / "2")
    folders = [tmp_path / "parts" / version for version in "12"]
    with pytest.raises(kr.DataError, match="36 photos were used .* 12 are new to both"):
        kr.compare_bundles(*folders, part_photos)
    found = kr.compare_bundles(*folders, part_photos, leave_out_seen=True)
    assert (found.photos, found.left_out, found.agreement) == (12, 36, 1.0)
    assert found.verdict == NOT_SHOWN and found.measures[0].p_value == 1.0


def test_parts_count_as_wholes(models, photos):
    rows = [
        f"{path.relative_to(photos)},{path.parent.name},{int(path.stem) // 15}"
        for path in sorted(photos.glob("*e*/*.png"))
    ]
    table = photos / "table.csv"
    table.write_text("\n".join(["path,label,part", *rows]))
    chosen = kr.scan_photos(table, group_by="part")
    table.unlink()
    found = kr.compare_bundles(models / "colours" / "1", models / "colours" / "2", chosen)
    assert found.groups == 4 and found.photos == 40
    # Four parts that all fall to one side: a coin does that once in eight times.
    assert found.measures[0].p_value >= 0.125 and found.verdict == NOT_SHOWN
    assert "With 4 groups" in str(found)


def test_the_command_says_it_by_its_exit_code(models, photos, capsys, tmp_path):
    def run(*arguments):
        with pytest.raises(SystemExit) as end:
            main(["compare", *map(str, arguments)])
        return end.value.code, capsys.readouterr().out

    colours = models / "colours"
    code, said = run(colours, 1, 2, photos, "--json", "--html", tmp_path / "page.html")
    assert code == 3 and json.loads(said)["verdict"] == WORSE
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "WORSE: &#39;colours 2&#39; is worse in" in page and "✗ worse" in page
    assert run(colours / "2", colours / "1", photos)[0] == 0
    assert run(colours / "1", models / "larger", photos)[0] == 6
    assert run(colours, photos)[0] == 2


def test_what_each_answers_by_its_rule_is_compared(tiny):
    from kerasrecipes.data.specs import AbstainBand, CostRule
    from kerasrecipes.evaluation.operating.measures import Answers, paired_measures
    from kerasrecipes.heads import get_task

    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, 200)
    sure = np.eye(3)[targets] * 2 + rng.random((200, 3))
    scores = sure / sure.sum(axis=1, keepdims=True)
    output = OutputSpec(name="scores", task="classification", class_names=tiny.CLASS_NAMES)
    careful = output.model_copy(update={"abstain": AbstainBand(least=(0.62,) * 3)})
    task = get_task("classification")
    found = paired_measures(task, targets, Answers(output, scores), Answers(careful, scores))
    by_name = {one.name: one for one in found.whole}
    assert set(by_name) == {"accuracy", "answered wrongly", "left to a person"}
    left = by_name["left to a person"]
    assert left.before == 0 < left.after == np.mean(careful.rule.decide(scores) < 0)
    assert left.verdict() == -1 and by_name["accuracy"].difference == 0
    costs = CostRule(costs=((0, 1, 1), (5, 0, 1), (1, 1, 0)))
    dear = output.model_copy(update={"costs": costs})
    turned = Answers(dear, scores[:, [1, 0, 2]])
    found = paired_measures(task, targets, Answers(dear, scores), turned)
    cost = next(one for one in found.whole if one.name == "mean cost")
    assert cost.verdict() == -1 and not cost.is_share and cost.rows == 200


def test_better_in_one_thing_and_worse_in_another_is_both(models, photos):
    found = kr.compare_bundles(models / "colours" / "1", models / "colours" / "2", photos)
    first, *others = found.measures
    turned = replace(first, before=first.after, after=first.before)
    mixed = replace(found, measures=(turned, *others))
    assert mixed.verdict == MIXED and str(mixed).startswith("MIXED")
