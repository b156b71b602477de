"""Does the package still compute the very bits that another version of it computed?

    python tests/benchmarks/same_bits.py old.json
    python tests/benchmarks/same_bits.py --compare old.json new.json

Fits, shrinks and exports tiny models on drawn photos, and writes digests of weights and answers,
with plain numbers that tell how far apart two runs are. It uses public names alone, so that it
runs on both sides of a refactoring, on one machine; `PYTHONPATH` chooses the side.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
import traceback
from functools import cached_property, partial
from pathlib import Path

# How a sum is shared among threads decides its last bits.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "2")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np
from PIL import Image

import kerasrecipes as kr

SIDE, SIZE = 32, (32, 32)
PHOTOS = {"dot": 44, "plain": 28, "stripe": 20}
CLOCK = dict.fromkeys(("latency_ms", "seconds", "created"))
QUICK = {"epochs": 2, "learning_rate": 3e-3, "head_epochs": 2, "open_fraction": 0.5}
two_phase = partial(kr.UnfreezeSchedule.two_phase, **QUICK)


def main() -> int | None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="JSON")
    parser.add_argument("--compare", action="store_true", help="two files, and run nothing")
    parser.add_argument("--only", nargs="+", default=[""], help="parts of names of cases")
    given = parser.parse_args()
    if len(given.files) != 1 + given.compare:
        parser.error("Pass one file to write, or --compare and two.")
    if given.compare:
        return compare(*(json.loads(file.read_text()) for file in given.files))
    with tempfile.TemporaryDirectory() as folder:
        return record(given.files[0], Path(folder), given.only)


def record(to: Path, folder: Path, only: list[str]) -> None:
    """Run the cases, and write what they give after each one."""
    import keras

    print(kr.__file__, file=sys.stderr)
    found = {"machine": {"cpus": os.cpu_count(), "keras": keras.__version__}}
    for name, case in cases(Lab(folder)).items():
        if not any(part in name for part in only):
            continue
        started = time.perf_counter()
        keras.utils.set_random_seed(0)  # so that no case depends on those before it
        try:
            found[name] = case()
        except Exception as error:
            traceback.print_exc()
            found[name] = {"error": repr(error).replace(str(folder), "")}
        print(f"{time.perf_counter() - started:6.1f} s  {name}", file=sys.stderr, flush=True)
        to.write_text(json.dumps(found, indent=1) + "\n")


def compare(*sides: dict) -> int:
    """Print what differs; return 1 if anything does."""
    old, new = (
        {f"{case} | {k}": json.dumps(v) for case, found in side.items() for k, v in found.items()}
        for side in sides
    )
    differing = [key for key in old | new if old.get(key) != new.get(key)]
    for key in differing:
        print(f"{key}: {old.get(key, 'absent')} → {new.get(key, 'absent')}")
    failed = [case for case, found in sides[1].items() if "error" in found]
    print(f"{len(differing)} of {len(old | new)} values differ.")
    print(f"{len(failed)} cases of the second side failed: {failed}")
    return int(bool(differing))


def digest(*values) -> str:
    """Return one SHA-256 of arrays, or of plain values but for those that a clock tells."""
    found = hashlib.sha256()
    for value in values:
        if isinstance(value, np.ndarray | np.generic):
            found.update(f"{value.dtype} {value.shape} ".encode() + value.tobytes())
        else:
            value = json.loads(json.dumps(value), object_hook=lambda facts: facts | CLOCK)
            found.update(json.dumps(value, sort_keys=True).encode())
    return found.hexdigest()


def draw(folder: Path, kind: str, seeds: range) -> None:
    """Draw photos whose class shows in a colour, which few steps find, and in a shape."""
    folder.mkdir(parents=True)
    place = list(PHOTOS).index(kind)
    for seed in seeds:
        rng = np.random.default_rng([place, seed])
        photo = rng.normal(110, 25, (SIDE, SIDE, 3))
        photo[..., place] += rng.uniform(10, 70)
        y, x = rng.integers(4, SIDE - 12, 2)
        photo[y : y + 8, x : x + (8, 1, 3)[place]] -= 60
        Image.fromarray(np.clip(photo, 0, 255).astype(np.uint8)).save(folder / f"{seed:03}.png")


def backbone(filters: int):
    """Make one with a residual block, a depthwise convolution and BatchNormalization."""
    import keras
    from keras import layers

    def norm(x, name, limit=None):
        return layers.ReLU(limit, name=f"{name}_relu")(layers.BatchNormalization(name=name)(x))

    photo, options = keras.Input((*SIZE, 3)), {"padding": "same", "use_bias": False}
    x = stem = norm(layers.Conv2D(filters, 3, 2, **options, name="one")(photo), "one_norm")
    x = norm(layers.Conv2D(2 * filters, 1, **options, name="expand")(x), "expand_norm", 6.0)
    x = norm(layers.DepthwiseConv2D(3, **options, name="deep")(x), "deep_norm", 6.0)
    x = layers.Add(name="add")([stem, layers.Conv2D(filters, 1, name="project")(x)])
    x = norm(layers.Conv2D(2 * filters, 3, 2, **options, name="last")(x), "last_norm")
    model, rng = keras.Model(photo, x, name=f"small{filters}"), np.random.default_rng(filters)
    drawn = [rng.uniform(0.5, 1.5, weight.shape) for weight in model.get_weights()]
    model.set_weights([w if w.ndim == 1 else 0.2 * rng.normal(size=w.shape) for w in drawn])
    return kr.BackboneSpec.from_model(model, scaling="-1..1")


def recipes() -> dict[str, dict]:
    """Name the recipes that are fitted, with what they change."""
    plan, full = kr.UnfreezeSchedule, kr.UnfreezeSchedule.full(2, 3e-3)
    gradual = {"learning_rate": 3e-3, "steps": 2, "open_fraction": 0.8, "head_epochs": 2}
    stages = (kr.Stage("head", 2, 1e-2), kr.Stage("top", 2, 3e-3, 0.3, warmup_fraction=0.5))
    stages += (kr.Stage("all", 3, 1e-3, 1.0, layer_decay=0.7, patience=1),)
    lite0 = {"backbone": "efficientnet_lite0", "schedule": two_phase(learning_rate=1e-4)}
    embedding = {"head": "embedding", "dropout": 0.0}
    schedules = {
        "full": full, "head_only": plan.head_only(2, 1e-2), "own": plan(stages),
        "gradual": plan.gradual(2, **gradual), "auto": two_phase(head_learning_rate="auto"),
        "patient": plan.gradual(4, **gradual, patience=1), "two_phase": two_phase(),
    }  # fmt: skip
    by_setting = {
        "seed": [7], "adapter": [kr.LowRank(2), kr.Bottleneck(4)], "mix": ["mixup", "cutmix"],
        "head_norm": ["layer", "group"], "head": ["margin"], "augment": kr.AUGMENTATIONS,
        "loss": kr.list_losses(), "class_weights": [None, "balanced", "effective"],
        "label_smoothing": [0.0], "dropout": [0.0], "ema": [False], "rematerialise": [True],
        "batch_norm": ["reestimate"], "l2_sp": [30.0], "clip_norm": [0.1], "accumulate": [2],
        "adaptive_clip": [0.01], "cache_gb": [0], "views": [24],  # so many are left to LiteRT
    }  # fmt: skip
    opened = [
        {"mix": "cutmix", "mix_alpha": 1.0}, {"stochastic_depth": 0.5}, {"adapter": kr.BitFit()},
        {"batch_norm": "train"}, {"precision": "mixed_bfloat16"}, {"weights": None},
        {"adapter": kr.LowRank(3, 6.0, "one|last")},
    ]  # fmt: skip
    found = {f"schedule {name}": {"schedule": one} for name, one in schedules.items()}
    for name, values in by_setting.items():
        found |= {f"{name} {value}": {name: value} for value in values}
    found["augment none"]["views"] = 1
    found["loss expected_cost"]["loss_options"] = {"costs": [[0, 1, 5], [1, 0, 1], [2, 1, 0]]}
    return found | {f"full, {one}": {**one, "schedule": full} for one in opened} | {
        "cosface": {"head": "margin", "loss": "cosface", "loss_options": {"margin": 0.2}},
        "embedding": embedding, "triplet": {**embedding, "loss": "semi_hard_triplet"},
        "tau": {"loss": "balanced_softmax", "loss_options": {"tau": 0.5}},
        "callbacks": {"callbacks": [kr.OverfitMonitor(1), kr.DivergenceGuard(1.1, 3)]},
        "erasing": {"augment": kr.Augmentation(cutout_random=True, cutout_fraction=0.4)},
        "real backbone": lite0,
    }  # fmt: skip


def numbers(evaluation) -> dict:
    found = {name: getattr(evaluation, name).value for name in ("accuracy", "auc", "log_loss")}
    return {**found, "all numbers": digest(evaluation.to_dict())}


class Lab:
    """Photos, a fitted model, and what may be done with them; each returns what it gave."""

    def __init__(self, folder: Path):
        self.folder = folder
        for kind, count in PHOTOS.items():
            draw(folder / "photos" / kind, kind, range(count))
        draw(folder / "more" / "unknown", "dot", range(100, 108))
        self.more = kr.scan_photos(folder / "more", for_training=False)
        self.train, self.val, self.test = kr.split_photos(kr.scan_photos(folder / "photos"))
        self.backbone = backbone(16)

    def recipe(self, **changes):
        settings = {"image_size": SIZE, "batch_size": 8, "schedule": two_phase(), "views": 2}
        return kr.ImageClassifier(**{"backbone": self.backbone, **settings, **changes})

    @cached_property
    def base(self):
        recipe = self.recipe(schedule=kr.UnfreezeSchedule.full(8, 1e-2), batch_norm="train")
        recipe.fit(self.train, self.val, verbose=False)
        recipe.evaluate(self.test)
        return recipe

    @cached_property
    def bundle(self):
        return self.base.save(self.folder / "models" / "parts")

    def of_recipe(self, recipe) -> dict:
        """Tell of a fitted recipe all that must stay as it is."""
        weights, report = recipe.model_.get_weights(), recipe.report_
        found = {"weights": digest(*weights), "scores": digest(recipe.predict(self.val))}
        found["sum of |weights|"] = sum(float(np.abs(w).sum(dtype=float)) for w in weights)
        for stage in report.stages:
            found[f"{stage.name}, history"] = digest(stage.history)
            found[f"{stage.name}, last val_loss"] = stage.history["val_loss"][-1]
            for name in ("best_epoch", "trainable_parameters"):
                found[f"{stage.name}, {name}"] = getattr(stage, name)
        for split, evaluation in report.evaluations.items():
            found |= {f"{split}, {k}": value for k, value in numbers(evaluation).items()}
        return {**found, "facts besides": digest(report.callbacks, report.optimization)}

    def fit(self, callbacks=(), **changes) -> dict:
        recipe = self.recipe(**changes)
        recipe.fit(self.train, self.val, verbose=False, callbacks=callbacks)
        return self.of_recipe(recipe)

    def make(self, make, **options) -> dict:
        return self.of_recipe(make(self.base, self.train, self.val, verbose=False, **options))

    def distil(self, **options) -> dict:
        options |= {"student": self.recipe(backbone=backbone(8)), "verbose": False}
        return self.of_recipe(kr.distil(self.base, train=self.train, val=self.val, **options))

    def quantize(self, mode: str, **options) -> dict:
        small = kr.quantize(self.base, mode, verbose=False, **options)
        found = {"scores of file": digest(small.predict(self.test))}
        if "engine" not in options:  # TFMOT's file holds names that are numbered by the process
            found |= {"size": len(small.content), "report": digest(small.report.to_dict())}
        return found | ({} if small.recipe is self.base else self.of_recipe(small.recipe))

    def export(self, format: str = "tflite", quantization: str = "float32", **options) -> dict:
        options |= {"tolerance": kr.Tolerance(0.0, 1.0), "overwrite": True}
        record = self.bundle.export(format, quantization, **options)
        answers = kr.Predictor(self.bundle, export=record.name).predict(self.bundle.golden().files)
        found = {"scores": digest([one.scores for one in answers])}
        found["largest gap"] = record.verification["largest_gap"]
        return found | ({"size": record.size_bytes} if format == "tflite" else {})  # as above

    def save(self) -> dict:
        bundle = kr.Bundle.load(self.bundle.folder)
        golden, pixels = bundle.golden(), digest(bundle.calibration())
        found = {"golden scores": digest(golden.answers), "calibration photos": pixels}
        found["golden photos"] = digest(golden.targets, [photo.hex() for photo in golden.files])
        found["weights"] = digest(*bundle.load_model().get_weights())
        return found | numbers(kr.evaluate_bundle(bundle, self.test).evaluation)

    def read(self) -> dict:
        found = {"sets": digest(self.train.digest(), self.val.digest(), self.test.digest())}
        for name in kr.AUGMENTATIONS:
            batches = kr.to_dataset(self.train, (24, 40), seed=3, epochs=range(2), augment=name)
            found[name] = digest(*(np.asarray(part) for batch in batches for part in batch))
        return found

    def judge(self) -> dict:
        rng, names = np.random.default_rng(0), ["a", "b", "c"]
        logits = 3 * rng.normal(size=(400, 3))
        labels = (logits / 3 + rng.gumbel(size=logits.shape)).argmax(axis=1)
        scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        decided = kr.cheapest_decisions(scores, kr.cost_matrix(names, {"a": {"b": 9.0}}))
        found = {"temperature": kr.temperature_scale(logits, labels), "costs": digest(*decided)}
        return found | numbers(kr.evaluate_scores(labels, scores, names))


def cases(lab: Lab) -> dict:
    prune, small = partial(lab.make, kr.prune, epochs=2), ("float16", "dynamic", "int8", "int4")
    return {
        **{f"fit, {name}": partial(lab.fit, **changes) for name, changes in recipes().items()},
        **{f"quantize, {name}": partial(lab.quantize, name) for name in small},
        **{f"export, {name}": partial(lab.export, "tflite", name) for name in ("float32", *small)},
        "export, onnx": partial(lab.export, "onnx"), "base": lambda: lab.of_recipe(lab.base),
        "export, saved_model": partial(lab.export, "saved_model"), "bundle": lab.save,
        "export, temperature": partial(lab.export, temperature=1.7),
        "quantize, some float": partial(lab.quantize, "int8", keep_float=0.9),
        "quantize, qat": partial(lab.quantize, "qat", epochs=4, learning_rate=5e-5),
        "quantize, tfmot": partial(lab.quantize, "qat", engine="tfmot", scheme="pqat", epochs=1),
        "prune, zeros": partial(prune, sparsity=0.6), "scores": lab.judge,
        "prune, pattern": partial(prune, pattern=(2, 4)), "distil": lab.distil,
        "prune, channels": partial(prune, channels=0.4), "photos": lab.read,
        "prune, multiply-adds": partial(prune, max_multiply_adds=0.7, residual=True),
        "cluster": partial(lab.make, kr.cluster, clusters=8, epochs=2),
        "distil more": partial(lab.distil, feature_weight=0.5, unlabelled=lab.more),
        "probe": lambda: numbers(kr.probe_backbone(lab.recipe(), lab.train, lab.val).evaluation),
        "embeddings": lambda: {"rows": digest(lab.base.embed(lab.test))},
        "sensitivity": lambda: {"layers": digest(kr.measure_sensitivity(lab.base).to_dict())},
        # Last: what it sets holds for the whole process.
        "fit, deterministic": partial(lab.fit, deterministic=True, dropout=0.3),
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
