"""A report as a real fit leaves it, with everything that can be hostile in it."""

import numpy as np
import pytest

from kerasrecipes.evaluation.classification import evaluate_scores
from kerasrecipes.report.run_report import DataReport, FreezeRow, RunReport, StageReport


@pytest.fixture(autouse=True)
def really(drawn):
    """Pictures are looked at here."""


HOSTILE = [
    "<script>alert(1)</script>",
    r"$\frac{a}{$ & co",
    "日本 😀",
    "שלום",
    "undecodable \udcff",
    '"><img src=x onerror=alert(2)>',
    "a\nnewline\u202egnp " + "and on " * 20,
]


def scores_of(classes, n=120, seed=0):
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    scores = generator.dirichlet(np.ones(classes), n) + 0.8 * np.eye(classes)[labels]
    return labels, scores / scores.sum(axis=1, keepdims=True)


def report_of(class_names, name="tiles"):
    labels, scores = scores_of(len(class_names))
    history = {"loss": [0.6, 0.5], "val_loss": [0.7, float("nan")], "val_accuracy": [0.7, 0.8]}
    history |= {"accuracy": [0.7, 0.9], "learning_rate": [np.float32(0.25), 1e-4]}
    rows = [FreezeRow("stem", 2, 928, False, "BatchNorm statistics frozen")]
    rows += [FreezeRow("head", 1, 2562, True)]
    export = {
        "format": "tflite",
        "quantization": "int8",
        "size_bytes": 3_981_312,
        "verification": {
            "passed": True,
            "photos": 120,
            "agreement": 0.983,
            "accuracy": 0.883,
            "reference_accuracy": 0.886,
            "accuracy_difference": -0.003,
            "difference_interval": [-0.0122, 0.0062],
            "latency": {
                "1": {"median_ms": 4.7, "p95_ms": 5.1, "runs": 50},
                "2": {"median_ms": 3.0, "p95_ms": 3.8, "runs": 50},
            },
            "failures": [],
        },
    }
    return RunReport(
        name=name,
        created="2026-01-02T03:04:05+00:00",
        recipe={"backbone": "efficientnet_lite0", "image_size": (224, 224)},
        data=DataReport(
            source="photos",
            counts={"train": {c: 80 for c in class_names}, "val": {c: 20 for c in class_names}},
            digests={"train": "ab" * 32},
            excluded=3,
            leaks=["part 7 is in train and test."],
        ),
        stages=[
            StageReport("head", 2, 2, 1, 1e-3, 2562, 3_374_000, rows, history, 41.2),
            StageReport("top", 9, 2, 0, 1e-4, 2_000_000, 3_374_000, rows, history, 286.5),
        ],
        evaluations={"test": evaluate_scores(labels, scores, class_names)},
        exports=[export],
        warnings=["Few photos of 'a'."],
        seeds={"seed": np.int64(3)},
        versions={"keras": "3.15.1"},
        weights={"name": "efficientnet_lite0", "licence": "Apache-2.0"},
        callbacks={"early_stopping": {"best": np.float32(0.5)}},
    )


@pytest.fixture
def report():
    return report_of(["ok", "crack"])


@pytest.fixture
def hostile_report():
    return report_of(HOSTILE, name=HOSTILE[0])


@pytest.fixture
def make_scores():
    return scores_of
