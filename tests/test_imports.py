"""What importing the package offers, and what it leaves for later."""

import ast
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import kerasrecipes

HEAVY = ("tensorflow", "keras", "sklearn", "matplotlib", "rich")


ROOMS = {
    name: getattr(kerasrecipes, name)
    for name in kerasrecipes.__all__
    if name != "__version__" and inspect.ismodule(getattr(kerasrecipes, name))
}
WITH_FUNCTIONS = {"backbones", "callbacks", "export", "heads", "losses"}
# What was at the root before there were rooms.
FOUND_TOO = """
    AUGMENTATIONS AdaptedModel DivergenceGuard EarlyStopping ExactCheckpoint FineTuningAdamW
    FreezePolicy GradientMonitor HoldZeros LRFinder LearningRateSuggestion MagnitudePruning
    MetricsLog MlflowWriter MovingAverage NearestNeighbours OverfitMonitor SnapshotEnsemble
    StochasticWeightAveraging TensorBoardWriter add_adapter cheapest_decisions check_gradients
    cluster_weights cost_matrix count_multiply_adds decode_photo evaluate_scores
    find_group_learning_rates find_learning_rate get_loss make_quantization_aware
    mean_average_precision prune_channels recall_at_k reestimate_batch_norm report_weights
    temperature_scale to_dataset Tiling cut_tiles
""".split()


def names_for_editors(package) -> set[str]:
    """Return the names that a file imports as themselves, also for type checkers only."""
    return {
        alias.asname
        for node in ast.walk(ast.parse(Path(package.__file__).read_text()))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name
    }


def names_of_its_own(package) -> set[str]:
    return {name for name in package.__all__ if name in vars(package)} - names_for_editors(package)


@pytest.mark.parametrize("package", [kerasrecipes, *ROOMS.values()], ids=lambda p: p.__name__)
def test_the_lazy_names_are_those_that_editors_see(package):
    rooms = set(ROOMS) if package is kerasrecipes else set()
    own = names_of_its_own(package) - rooms
    assert names_for_editors(package) == set(package.__all__) - own
    assert dir(package) == package.__all__ == sorted(set(package.__all__))
    for name in package.__all__:
        assert getattr(package, name) is not None
    assert not own or Path(package.__file__).parent.name in WITH_FUNCTIONS


def test_the_root_is_short_and_its_rooms_are_full():
    assert len(ROOMS) == 19
    assert 60 < len(kerasrecipes.__all__) - len(ROOMS) < 180
    assert all(room.__all__ for room in ROOMS.values())


def test_what_a_room_lists_can_be_had_at_the_root():
    for room in ROOMS.values():
        for name in room.__all__:
            assert getattr(kerasrecipes, name) is getattr(room, name)
    assert not set(FOUND_TOO) & set(kerasrecipes.__all__)
    assert all(getattr(kerasrecipes, name) is not None for name in FOUND_TOO)


def test_an_unknown_name_is_answered_with_a_known_one():
    with pytest.raises(AttributeError, match="no 'scan_photo'. Did you mean 'scan_photos'?"):
        _ = kerasrecipes.scan_photo
    with pytest.raises(AttributeError, match="callbacks has no 'LrFinder'. Did you mean 'LRFinder"):
        _ = kerasrecipes.callbacks.LrFinder


def loaded_by(code: str) -> list[str]:
    """Run code in a new process and return the heavy libraries that it loaded."""
    probe = (
        "import json, sys\n"
        "try:\n"
        f"    {code}\n"
        "finally:\n"
        f"    print('\\n' + json.dumps([name for name in {HEAVY} if name in sys.modules]))\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_probe_sees_a_loaded_library():
    assert loaded_by("sys.modules['keras'] = sys") == ["keras"]


@pytest.mark.parametrize(
    "code",
    [
        "import kerasrecipes",
        "import kerasrecipes as kr; kr.list_backbones(), kr.list_formats(), kr.list_heads()",
        "from kerasrecipes import Bundle, Predictor, ImageClassifier, scan_photos, verify_bundle",
        "import kerasrecipes as kr; [getattr(kr, name) for name in ('callbacks', 'surgery')]",
        "import kerasrecipes as kr; dir(kr.callbacks); hasattr(kr, 'no_such_name')",
        *(
            f"from kerasrecipes.cli import main; main({arguments})"
            for arguments in (["--help"], ["train", "--help"], ["ls"], ["ls", "--json"])
        ),
    ],
)
def test_looking_around_loads_nothing_heavy(code):
    assert loaded_by(code) == []


def test_predict_and_verify_load_nothing_heavy(small_saved, part_photos):
    photo = next(part_photos.rglob("*.png"))
    for arguments in (
        ["predict", str(small_saved.folder), str(photo)],
        ["verify", str(small_saved.folder)],
    ):
        assert loaded_by(f"from kerasrecipes.cli import main; main({arguments})") == []
