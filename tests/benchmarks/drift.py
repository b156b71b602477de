"""How often does the watch cry wolf, and how soon does it see a change that is real?

    python tests/benchmarks/drift.py elpv  [--years 50] [--first 0] [--measured elpv.npz]
    python tests/benchmarks/drift.py tiles --table tiles.csv  [--years 50]

A head is fitted on the frozen default backbone to two fifths of the photos, of `elpv` to those of
one kind of cell. In every simulated year the rest is divided anew into a reference and the
photos that weeks are drawn from, 52 looks at 200 photos each. Then the photos of every week are
changed from the first look on. Beside the watch stand what its p-values would do by other rules,
and scipy's test of Kolmogorov and Smirnov on 64 directions of the features at p < 0.05, corrected
for their number, as drift detectors take it by default. What was measured of the photos is kept
in `--measured`, and taken from there when it exists. Prints a Markdown section for RESULTS.md.
"""

import argparse
import io
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

import kerasrecipes as kr
from kerasrecipes.data.modality import get_modality
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.drift.comparing import compare_with
from kerasrecipes.drift.observed import Observed, keras_runner, observe, observe_inputs
from kerasrecipes.drift.profile import DIRECTIONS, ReferenceProfile
from kerasrecipes.drift.recent import Measured, compare_recent
from kerasrecipes.drift.shift import p_of_look
from kerasrecipes.environment import library_versions
from kerasrecipes.heads import get_task
from kerasrecipes.statistics.sequential import ShiryaevRoberts

LOOKS, WINDOW, PROMISE = 52, 200, 520
UNCHANGED = "nothing changes"
RULES = {
    "watch": "the watch",
    "single": "each look alone, p < 1/520",
    "added": "each look's evidence added up",
    "scipy": "scipy, p < 0.05/64",
}


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
    parser.add_argument("--first", type=int, default=0, help="the first year, to run in parts")
    parser.add_argument("--measured", type=Path, help="a file that keeps what was measured")
    arguments = parser.parse_args()
    kept = arguments.measured
    if kept is not None and kept.exists():
        seen, output, classes = read_measured(kept)
    else:
        seen, output, classes = measure(arguments)
        if kept is not None:
            write_measured(kept, seen, output, classes)
    years = range(arguments.first, arguments.first + arguments.years)
    year, rows = Year(seen, output, classes), {}
    for name in seen:
        some = years if name == UNCHANGED else years[:20]
        rows[name] = [year.first_alarms(seed, name) for seed in some]
        print(name, [row["watch"] for row in rows[name]], file=sys.stderr, flush=True)
    print(as_markdown(rows, " ".join(["python", *sys.argv])))


def measure(arguments):
    """Return what is measured of the photos by name of their change, the output and the truth."""
    recipe, rest, others = fitted(arguments)
    modality, output = get_modality("photos"), recipe.output_
    found = {UNCHANGED: observe(recipe.model_, rest, modality)}
    found |= {name: observe(recipe.model_, one, modality) for name, one in others}
    found |= {name: changed_photos(recipe, rest, change) for name, change in CHANGES.items()}
    return found, output, get_task(output.task).targets(rest, output)


def write_measured(path: Path, seen, output, classes) -> None:
    arrays = {f"{name}|{key}": values for name, one in seen.items() for key, values in _of(one)}
    np.savez(path, output=output.model_dump_json(), classes=classes, **arrays)


def _of(seen: Observed):
    inputs = ((f"input {name}", values) for name, values in seen.inputs.items())
    return [("features", seen.features), ("answers", seen.answers), *inputs]


def read_measured(path: Path):
    with np.load(path) as held:
        names = dict.fromkeys(key.split("|")[0] for key in held.files if "|" in key)
        found = {}
        for name in names:
            own = {key.split("|")[1]: held[key] for key in held.files if key.startswith(f"{name}|")}
            inputs = {k.removeprefix("input "): v for k, v in own.items() if k[:6] == "input "}
            found[name] = Observed(inputs, own["features"], own["answers"])
        return found, OutputSpec.model_validate_json(str(held["output"])), held["classes"]


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
    return observe_inputs(keras_runner(recipe.model_), batches, len(batch), modality)


class Year:
    """Looks at weeks of photos until an alarm."""

    def __init__(self, seen: dict[str, Observed], output: OutputSpec, classes: np.ndarray):
        self._seen, self._output = seen, output
        self._known = replace(seen[UNCHANGED], targets=classes)

    def first_alarms(self, seed: int, name: str) -> dict[str, int | None]:
        """Return the look of each rule's first alarm; `None` if the year ends without one."""
        rng, weeks = np.random.default_rng(seed), self._seen[name]
        order = rng.permutation(len(self._known))
        reference, pool = order[: len(order) // 2], order[len(order) // 2 :]
        if len(weeks) != len(self._known):
            pool = np.arange(len(weeks))
        known = self._known.rows(reference)
        profile = ReferenceProfile.of(known, self._output, "photos", seed=seed)
        sketched, earlier, watch = profile.sketched(weeks), [], ShiryaevRoberts(PROMISE)
        first: dict[str, int | None] = dict.fromkeys(RULES)
        for look in range(1, LOOKS + 1):
            chosen = rng.permutation(pool)[:WINDOW]
            now = Measured(sketched.rows(chosen), chosen.astype(np.uint64))
            shifts = compare_with(profile, now.seen, look)
            watch = watch.after(p_of_look(shifts))
            said = {
                "watch": compare_recent(profile, now, shifts, earlier, look).p_value <= 1 / PROMISE,
                "single": p_of_look(shifts) <= 1 / PROMISE,
                "added": watch.alarm,
                "scipy": smallest_of_scipy(profile, now) <= 0.05 / DIRECTIONS,
            }
            for rule, alarm in said.items():
                first[rule] = first[rule] or (look if alarm else None)
            if all(first.values()) or (name != UNCHANGED and look >= 15):
                break
            earlier = [now, *earlier]
        return first


def smallest_of_scipy(profile: ReferenceProfile, now: Measured) -> float:
    from scipy.stats import ks_2samp

    sides = (one.features.astype(float) for one in (profile, now.seen))
    return float(np.min(ks_2samp(*sides, axis=0, method="asymp").pvalue))


def as_markdown(rows, command: str) -> str:
    versions = {**library_versions(), "scipy": version("scipy")}
    lines = [f"`{command}`", "", ", ".join(f"{k} {v}" for k, v in versions.items()), ""]
    lines += [f"| every week | years | {' | '.join(RULES.values())} |"]
    lines += ["|---|---|" + "---|" * len(RULES)]
    for name, years in rows.items():
        cells = [_cell([year[rule] for year in years]) for rule in RULES]
        lines.append(f"| {name} | {len(years)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(alarms: list[int | None]) -> str:
    found = [look for look in alarms if look is not None]
    when = f"; look {np.median(found):.0f}, latest {max(found)}" if found else ""
    return f"{len(found)}{when}"


if __name__ == "__main__":
    main()
