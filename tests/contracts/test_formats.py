"""What every export format promises; new formats are found by themselves."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import tiny_bundle as tiny
from kerasrecipes.export import GraphFacts, get_format, list_formats
from tiny_bundle import contract_of

THREADS = 8
COMBINATIONS = [(name, q) for name in list_formats() for q in get_format(name).quantizations]


def test_the_walk_is_complete():
    assert len(list_formats()) == 3
    assert len(COMBINATIONS) == 7


@pytest.fixture(scope="module")
def model():
    return tiny.untrained_model()


@pytest.fixture(scope="module")
def photos():
    return tiny.colour_photos(6, seed=5)[0]


@pytest.fixture(scope="module", params=COMBINATIONS, ids=lambda c: "-".join(c))
def written(request, model, photos, tmp_path_factory):
    name, quantization = request.param
    chosen = get_format(name)
    path = tmp_path_factory.mktemp("formats") / f"model{chosen.suffix}"
    chosen.write(
        model, path, quantization=quantization, calibration=photos,
        contract=contract_of(tiny.CLASS_NAMES, description="one line", policy={}),
    )  # fmt: skip
    return chosen, path, quantization


def test_one_file_appears_and_nothing_else(written):
    _, path, _ = written
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_answers_are_those_of_the_model(written, model, photos):
    chosen, path, quantization = written
    loaded = chosen.load(path, **({"threads": 2} if chosen.sets_threads else {}))
    scores = loaded(photos)["scores"]
    assert loaded.shape == (*tiny.SIZE, 3) and loaded.dtype == "uint8"
    assert loaded.outputs == {"scores": 3}
    assert scores.dtype == np.float32 and scores.shape == (6, 3)
    gap = np.abs(scores - model.predict(photos.astype("float32"), verbose=0)).max()
    assert gap < {"float32": 1e-5, "float16": 1e-2}.get(quantization, 0.1)


def test_threads_get_the_answers_of_a_serial_call(written, photos):
    chosen, path, _ = written
    loaded = chosen.load(path)
    alone = [loaded(photo[None])["scores"] for photo in photos]
    together = threading.Barrier(THREADS)

    def ask(turn):
        together.wait()
        order = np.roll(np.arange(len(photos)), turn).tolist() * 20
        return [(i, loaded(photos[[i]])["scores"]) for i in order]

    with ThreadPoolExecutor(THREADS) as pool:
        answers = [answer for found in pool.map(ask, range(THREADS)) for answer in found]
    assert len(answers) == THREADS * 20 * len(photos)
    wrong = [i for i, scores in answers if not np.array_equal(scores, alone[i])]
    assert not wrong


def test_labels_come_back(written):
    chosen, path, _ = written
    assert list(chosen.read_contract(path).output.class_names) == tiny.CLASS_NAMES


def test_contents_are_known(written):
    chosen, path, _ = written
    facts = chosen.inspect(path)
    assert isinstance(facts, GraphFacts)
    assert facts.custom_ops == () and sum(facts.ops.values()) > 4


def test_unknown_quantization_is_refused(written, model, tmp_path):
    chosen, _, _ = written
    with pytest.raises(ValueError, match="Unknown quantization 'nonsense'"):
        chosen.write(
            model, tmp_path / "m", quantization="nonsense", contract=contract_of(tiny.CLASS_NAMES)
        )
    assert list(tmp_path.iterdir()) == []


def test_format_describes_itself(written):
    chosen, _, _ = written
    assert chosen.summary and "\n" not in chosen.summary
    assert chosen.suffix.startswith(".")
