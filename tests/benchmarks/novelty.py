"""How well does a detector that knows good parts alone find defects, and where they are?

    python tests/benchmarks/novelty.py --table tiles.csv [--good free]

The table has the columns path, label, group, mask and split, a part on one side alone. A detector
learns from the good training photos, and is scored in LiteRT on the test photos. Beside it, on the
same features, from the same photos: PatchCore (Roth et al., 2022) and PaDiM (Defard et al., 2021),
written down from the papers, whose own weights are a download. Prints a Markdown section.
"""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.ndimage import uniform_filter
from sklearn.metrics import roc_auc_score

import kerasrecipes as kr
from kerasrecipes.environment import library_versions
from kerasrecipes.export import get_format
from kerasrecipes.export.tflite import tflite
from kerasrecipes.heads import make_head
from kerasrecipes.novelty.detector import depths_of
from kerasrecipes.photos.decoding.masks import read_mask
from kerasrecipes.training.defect_detector import _features
from kerasrecipes.training.linear.depths import linear_model
from kerasrecipes.verify import benchmark_export

CORESET, DIMENSIONS, SIDE = 1000, 100, 56


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--table", required=True)
    parser.add_argument("--good", default="free")
    parser.add_argument("--int8", action="store_true", help="score the int8 file, too")
    arguments = parser.parse_args()
    photos = kr.scan_photos(arguments.table, for_training=False)
    train, val = (on_side(photos, side, arguments.good) for side in ("train", "val"))
    test = on_side(photos, "test")
    detector = kr.DefectDetector(good=arguments.good)
    detector.fit(train, val)
    print(detector.evaluate(test), flush=True)
    rows, costs = {}, {}
    with tempfile.TemporaryDirectory() as made:
        bundle = detector.save(Path(made) / "tiles")
        for kind in ("float32", "int8") if arguments.int8 else ("float32",):
            try:
                rows[f"DefectDetector, {kind}"], costs[kind] = in_litert(bundle, kind, test)
            except kr.VerificationError as error:
                print(error, flush=True)
        costs["a classifier, float32"] = classifier_ms(detector, Path(made))
    rows |= papers(detector, train, test)
    print(as_markdown(rows, costs, test, arguments.good, " ".join(["python", *sys.argv])))


def on_side(photos: kr.PhotoSet, side: str, good: str | None = None) -> kr.PhotoSet:
    """Return the photos of a side that the table declares, perhaps the good ones alone."""
    chosen = [one for one in photos.photos if one.split == side and good in (None, one.label)]
    return replace(
        photos, photos=tuple(chosen), class_names=(good,) if good else photos.class_names
    )


def in_litert(bundle: kr.Bundle, kind: str, test: kr.PhotoSet) -> tuple[tuple, float]:
    record = bundle.export("tflite", kind)
    shape = bundle.manifest.outputs[2].shape
    found = get_format("tflite").load(record.path)(test.stack(bundle.input.shape))
    maps = found["novelty_map"].reshape(-1, *shape)
    return (found["novelty"][:, 0], maps), benchmark_export(record.path)[1].median_ms


def classifier_ms(detector: kr.DefectDetector, folder: Path) -> float:
    """Time a classifier with the same backbone."""
    backbone = kr.get_backbone("efficientnet_lite0").build(None, "default")
    fitted = detector.fitted_
    contract = replace(fitted, others=()).contract()
    spec, head = kr.get_backbone(detector.backbone), make_head("classification")
    classifier = linear_model(backbone, spec, head, 2, depths=1)
    path = tflite.write(classifier, folder / "classifier.tflite", contract=contract)
    return benchmark_export(path)[1].median_ms


def papers(detector: kr.DefectDetector, train: kr.PhotoSet, test: kr.PhotoSet) -> dict:
    model = detector.model_
    deep, fine = depths_of(model)
    sides = []
    for side in (train, test):
        both = _features(model, [deep, fine], side)
        coarse = both[0].repeat(2, axis=1).repeat(2, axis=2)
        rows = np.concatenate([uniform_filter(both[1], (0, 3, 3, 0)), coarse], axis=-1)
        sides.append(rows.astype(np.float32))
    return {"PatchCore, the paper's": patch_core(*sides), "PaDiM, the paper's": padim(*sides)}


def patch_core(good: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nearest neighbours in a greedy coreset of patches (Roth et al., 2022, algorithm 1)."""
    rng = np.random.default_rng(0)
    rows = good.reshape(-1, good.shape[-1])
    rows = rows[rng.permutation(len(rows))[:40_000]]
    flat = rows @ rng.normal(size=(rows.shape[1], 64)).astype(np.float32)
    chosen, nearest = [0], np.full(len(flat), np.inf)
    for _ in range(CORESET - 1):
        nearest = np.minimum(nearest, np.square(flat - flat[chosen[-1]]).sum(axis=1))
        chosen.append(int(nearest.argmax()))
    core = rows[chosen]
    maps = np.stack([_to_core(one.reshape(-1, one.shape[-1]), core) for one in test])
    maps = maps.reshape(test.shape[:3])
    return maps.max(axis=(1, 2)), maps


def _to_core(rows: np.ndarray, core: np.ndarray) -> np.ndarray:
    squares = np.square(rows).sum(axis=1)[:, None] + np.square(core).sum(axis=1) - 2 * rows @ core.T
    return np.sqrt(np.maximum(squares.min(axis=1), 0))


def padim(good: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A Gaussian at each place, of random channels (Defard et al., 2021, section 3)."""
    channels = np.random.default_rng(0).permutation(good.shape[-1])[:DIMENSIONS]
    good, test = good[..., channels], test[..., channels]
    maps = np.zeros(test.shape[:3])
    for row in range(good.shape[1]):
        for column in range(good.shape[2]):
            here = good[:, row, column].astype(np.float64)
            covariance = np.cov(here.T) + 0.01 * np.eye(DIMENSIONS)
            away = test[:, row, column] - here.mean(axis=0)
            maps[:, row, column] = np.einsum(
                "ij,ij->i", away, np.linalg.solve(covariance, away.T).T
            )
    return maps.max(axis=(1, 2)), maps


def as_markdown(rows: dict, costs: dict, test: kr.PhotoSet, good: str, command: str) -> str:
    labels = np.array([one.label for one in test.photos])
    kinds = [name for name in dict.fromkeys(labels) if name != good]
    masks = [read_mask(one) for one in test.photos]
    marked = np.stack([_small(mask) for mask in masks])
    lines = [f"`{command}`", "", ", ".join(f"{k} {v}" for k, v in library_versions().items()), ""]
    counts = ", ".join(f"{name} {np.sum(labels == name)}" for name in [good, *kinds])
    lines += [f"Test photos: {counts}.", ""]
    lines += [f"| AUC of photos; of pixels | mean | {' | '.join(kinds)} | all pixels at once |"]
    lines += ["|---" * (len(kinds) + 3) + "|"]
    for name, (scores, maps) in rows.items():
        photo = [_auc(labels == kind, labels == good, scores) for kind in kinds]
        large = np.stack([_resized(one) for one in maps])
        pixel = [
            roc_auc_score(marked[labels == kind].ravel(), large[labels == kind].ravel())
            for kind in kinds
        ]
        means = [(np.mean(photo), np.mean(pixel)), *zip(photo, pixel, strict=True)]
        cells = [f"{of_photos:.3f}; {of_pixels:.3f}" for of_photos, of_pixels in means]
        every = roc_auc_score(marked.ravel(), large.ravel())
        lines.append(f"| {name} | {' | '.join(cells)} | {every:.3f} |")
    lines += [
        "",
        "Milliseconds on one thread: " + ", ".join(f"{k} {v:.1f}" for k, v in costs.items()),
    ]
    return "\n".join(lines)


def _auc(defective: np.ndarray, good: np.ndarray, scores: np.ndarray) -> float:
    return float(roc_auc_score(defective[defective | good], scores[defective | good]))


def _small(mask: np.ndarray | None) -> np.ndarray:
    if mask is None:
        return np.zeros((SIDE, SIDE), bool)
    return _resized(mask.astype(np.float32)) > 0.4


def _resized(values: np.ndarray) -> np.ndarray:
    from PIL import Image

    how = Image.Resampling.BOX if values.shape[0] > SIDE else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(values.astype(np.float32)).resize((SIDE, SIDE), how))


if __name__ == "__main__":
    main()
