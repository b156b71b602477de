"""How often does the watch cry wolf, and how soon does it see a change that is real?

    python tests/benchmarks/drift.py elpv  [--years 50]
    python tests/benchmarks/drift.py tiles --table tiles.csv  [--years 50]

A head is fitted on the frozen default backbone to two fifths of the photos, of `elpv` to those of
one kind of cell. In every simulated year the rest is divided anew into a reference and the
photos that weeks are drawn from, 52 looks at 200 photos each. Then the photos of every week are
changed from the first look on. Prints a Markdown section for RESULTS.md.
"""

import argparse
import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

import kerasrecipes as kr
from kerasrecipes.data.modality import get_modality
from kerasrecipes.drift.comparing import compare_with, p_of_look
from kerasrecipes.drift.observed import Observed, observe, observe_inputs
from kerasrecipes.drift.profile import ReferenceProfile
from kerasrecipes.environment import library_versions
from kerasrecipes.heads import get_task
from kerasrecipes.statistics.sequential import ShiryaevRoberts

LOOKS, WINDOW, PROMISE = 52, 200, 520


def jpeg(photo: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


CHANGES = {
    "20 % darker": lambda photo: photo.point(lambda level: 0.8 * level),
    "blur of 1 px": lambda photo: photo.filter(ImageFilter.GaussianBlur(1)),
    "JPEG quality 60": lambda photo: jpeg(photo, 60),
    "another camera": lambda photo: photo.point(lambda level: 255 * (level / 255) ** 0.85),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", choices=["elpv", "tiles"])
    parser.add_argument("--table", help="the table of the tiles")
    parser.add_argument("--years", type=int, default=50)
    arguments = parser.parse_args()
    recipe, rest, others = fitted(arguments)
    seen = observe(recipe.model_, rest, get_modality("photos"))
    task = get_task(recipe.output_.task)
    year = Year(recipe, seen, task.targets(rest, recipe.output_))
    rows = {"nothing changes": [year.first_alarm(seed, seen) for seed in range(arguments.years)]}
    changed = {name: changed_photos(recipe, rest, change) for name, change in CHANGES.items()}
    changed |= {name: observe(recipe.model_, one, get_modality("photos")) for name, one in others}
    for name, other in changed.items():
        rows[name] = [year.first_alarm(seed, other) for seed in range(min(arguments.years, 20))]
    print(as_markdown(rows, " ".join(["python", *sys.argv])))


def fitted(arguments):
    """Return a recipe, the photos that it has not seen, and others of another kind by name."""
    from quality import elpv_splits, tile_splits

    arguments.seeds, arguments.folds = [0], 2
    others = []
    if arguments.data == "tiles":
        _, (train, val, test) = next(iter(tile_splits(arguments)))
    else:
        _, sides = next(iter(elpv_splits(arguments)))
        photos = sides[0].with_items([item for side in sides for item in side.items])
        mono, poly = (photos.select(cells_of(photos, kind)) for kind in ("mono", "poly"))
        cuts = np.split(np.random.default_rng(0).permutation(len(mono)), [320, 400])
        train, val, test = (mono.select(np.sort(cut)) for cut in cuts)
        others = [("polycrystalline cells", poly)]
    recipe = kr.ImageClassifier(schedule=kr.UnfreezeSchedule.head_only(epochs=10), augment="none")
    recipe.fit(train, val)
    return recipe, test, others


def cells_of(photos, kind: str) -> np.ndarray:
    """Return where the cells of a kind stand, by the package's own table."""
    from importlib.util import find_spec

    table = Path(find_spec("elpv_dataset").submodule_search_locations[0]) / "data" / "labels.csv"
    kinds = {Path(name).name: told for name, _, told in map(str.split, table.open())}
    return np.array([i for i, one in enumerate(photos.items) if kinds[one.path.name] == kind])


def changed_photos(recipe, photos, change) -> Observed:
    """Observe photos that were changed as they lie in their files, before they are resized."""
    spec, modality = photos.input_spec(recipe.model_), get_modality("photos")
    batch = []
    for item in photos.items:
        file = io.BytesIO()
        change(Image.open(item.path).convert("RGB")).save(file, "PNG")
        batch.append(modality.decode(file.getvalue(), spec))
    batches = (np.stack(batch[i : i + 32]) for i in range(0, len(batch), 32))
    return observe_inputs(recipe.model_, batches, len(batch), modality)


class Year:
    """Looks at weeks of photos until an alarm."""

    def __init__(self, recipe, seen: Observed, targets: np.ndarray):
        self._output, self._seen, self._targets = recipe.output_, seen, targets

    def first_alarm(self, seed: int, weeks: Observed) -> int | None:
        """Return the look of the first alarm; `None` if the year ends without one."""
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(self._seen))
        reference, pool = order[: len(order) // 2], order[len(order) // 2 :]
        if len(weeks) != len(self._seen):
            pool = np.arange(len(weeks))
        kept = self._seen.rows(reference), self._targets[reference]
        profile = ReferenceProfile.of(*kept, self._output, "photos", seed=seed)
        watch = ShiryaevRoberts(PROMISE)
        for look in range(1, LOOKS + 1):
            window = weeks.rows(rng.permutation(pool)[:WINDOW])
            watch = watch.after(p_of_look(compare_with(profile, window, seed=look)))
            if watch.alarm:
                return look
        return None


def as_markdown(rows, command: str) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in library_versions().items())
    lines = [f"`{command}`", "", versions, ""]
    lines += ["| every week | years | years with an alarm | median look of the alarm | latest |"]
    lines += ["|---|---|---|---|---|"]
    for name, alarms in rows.items():
        found = [look for look in alarms if look is not None]
        told = (f"{np.median(found):.0f}", str(max(found))) if found else ("–", "–")
        lines.append(f"| {name} | {len(alarms)} | {len(found)} | {' | '.join(told)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
