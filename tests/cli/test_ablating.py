"""`kerasrecipes ablate`: its table, its options and its errors."""

import json
import re

from kerasrecipes import UnfreezeSchedule
from kerasrecipes.choosing import ablation

TINY = ("--backbone", "tiny", "--image-size", 48, "--augment", "none")


def test_each_change_gets_a_row(kr, photos, tiny_command, monkeypatch):
    asked, found = [], []
    fit_all = ablation.ablate_recipe

    def once(*given, **settings):
        found.append(found[0] if found else fit_all(*given, **settings))
        return found[0]

    def short(cls, epochs):
        asked.append(epochs)
        return cls.head_only(epochs)

    monkeypatch.setattr(UnfreezeSchedule, "two_phase", classmethod(short))
    changes = {"without dropout": {"dropout": 0.0}}
    monkeypatch.setattr(ablation, "usual_changes", lambda table: changes)
    monkeypatch.setattr(ablation, "ablate_recipe", once)
    code, out, err = kr("ablate", photos, *TINY, "--epochs", 2)
    assert code == 0, err
    assert asked == [2]
    assert re.match(r"Each recipe was fitted on 3 splits of \d+ photos\.\n", out)
    assert re.search(r"^as it is +\d+\.\d%", out, re.MULTILINE)
    assert re.search(r"^without dropout .*(is better|is worse|cannot tell)$", out, re.MULTILINE)
    assert "Split 3 of 3: without dropout …" in err
    code, again, _ = kr("ablate", photos, *TINY, "--epochs", 2, "--json")
    told = json.loads(again)
    assert code == 0 and told["splits"] == 3
    assert [row["name"] for row in told["rows"]] == ["as it is", "without dropout"]
    # What is printed is what is told to programs.
    assert all(f"{row['log_loss']:.3f}" in out for row in told["rows"])


def test_options_arrive_as_they_were_meant(kr, photos, tiny_command, monkeypatch):
    seen = {}

    def note(recipe, photos, **settings):
        seen.update(settings, recipe=recipe, photos=photos)
        raise ValueError("asked")

    monkeypatch.setattr(ablation, "ablate_recipe", note)
    code, out, err = kr(
        "ablate", photos, *TINY, "--seed", 7, "--loss", "focal", "--group-by", "part",
        "--split-by", "group",
    )  # fmt: skip
    assert (code, out, err) == (1, "", "ValueError: asked\n")
    recipe = seen.pop("recipe")
    assert seen == {"photos": photos, "group_by": "part", "split_by": "group"}
    told = (recipe.backbone, recipe.image_size, recipe.augment, recipe.seed, recipe.loss)
    assert told == ("tiny", (48, 48), "none", 7, "focal")
    assert recipe.schedule is None


def test_errors_are_one_line(kr, photos, tmp_path):
    for arguments, message in (
        ((photos, "--backbone", "efficientnet_lite"), "Unknown backbone 'efficientnet_lite'. Did"),
        ((tmp_path / "none", *TINY[2:]), "There is no folder or table"),
    ):
        code, out, err = kr("ablate", *arguments)
        assert code == 1 and out == "" and message in err and err.count("\n") == 1
