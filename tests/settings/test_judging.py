"""A recipe is judged once, wherever the call comes from."""

import pytest

from kerasrecipes import UnfreezeSchedule, fine_tune_images
from kerasrecipes.settings import judging

HEAD = UnfreezeSchedule.head_only(epochs=1)


@pytest.fixture
def judged(monkeypatch):
    """Every recipe that was judged."""
    seen = []
    judge = judging.judge_settings

    def noting(recipe):
        seen.append(recipe)
        return judge(recipe)

    monkeypatch.setattr(judging, "judge_settings", noting)
    return seen


def test_a_fit_judges_once(part_sets, small_recipe, judged):
    recipe = small_recipe(schedule=HEAD)
    recipe.fit(*part_sets[:2], verbose=False)
    assert judged == [recipe]


def test_so_does_one_call_from_photos_to_a_model(part_photos, tmp_path, small_backbone, judged):
    done = fine_tune_images(
        part_photos, tmp_path / "m", backbone=small_backbone, image_size=(24, 24), schedule=HEAD,
        verbose=False,
    )  # fmt: skip
    assert judged == [done.recipe]


def test_what_is_judged_is_what_is_trained(small_recipe):
    recipe = small_recipe(loss="focal")
    found = judging.judge_recipe(recipe)
    assert (found.recipe, found.spec, found.schedule) == (recipe, recipe.backbone, recipe.schedule)
    assert found.head.loss_name == "focal"
    assert judging.schedule_of(small_recipe(schedule=None)) == UnfreezeSchedule.two_phase()
