"""Find defective parts on photos: train, export for a phone, and prove the file works.

You get   saved_models/defects/<version>/ with a model that names defects and tells what is unlike
          all good photos, set to what mistakes cost, a small .tflite file that was checked photo
          by photo against it, and summary-<version>.html, the page for who signs for it.
Run       python detect_defects.py photos/      one folder per class, or good photos alone, or a
                                                CSV with path,label and perhaps group or time
          python detect_defects.py              a demo on 2,624 photos of solar cells
Expect    10 to 20 minutes for the demo on 2 cores, and a summary with intervals at the end.

This file is yours: copy it, read it from top to bottom, change it.
"""

import argparse
import sys
import time
from pathlib import Path

from demo_photos import solar_cells

import kerasrecipes as kr

# What you will want to change first.
GOOD = "good"  # the class of the good photos; or --good
BACKBONE = "efficientnet_lite0"  # `kerasrecipes ls` names the others
AUGMENT = "flips"  # "factory" for changing light and places, "light" if up and down matter
GROUP_BY = None  # e.g. r"part(\d+)": photos of one part never land on two sides of the split
WISH = {"costs": {"miss": 10, "false_reject": 1}}  # of one part each; or {"min_recall": 0.95}
FALSE_ALARMS = 0.05  # share of good photos that may be called new
FILES = ("int8", "float16")  # the first that decides as the trained model does is kept
TEST_FRACTION, VAL_FRACTION = 0.25, 0.1
MODEL = "saved_models/defects"


def main() -> None:
    arguments = parse_arguments()
    started, smoke = time.monotonic(), arguments.smoke
    title("1. Look at the photos")
    kr.check_model_folder(arguments.to)  # before the training, not after it
    source = arguments.photos or solar_cells(limit=160 if smoke else None)
    photos = kr.scan_photos(source, group_by=GROUP_BY, for_training=False)
    # By part where there are parts, else by time where there are times.
    by_time = all(one.time and not one.group and not one.split for one in photos.photos)
    shares = {"test_fraction": TEST_FRACTION, "val_fraction": 0.35 if smoke else VAL_FRACTION}
    how = {**shares, "split_by": "time" if by_time else "auto", "seed": arguments.seed}
    train, val, test = kr.split_photos(photos, **how)
    print(findings := kr.check_photos(train, val, test))
    if findings.leaks:
        sys.exit(f"No number below would be true: {findings.leaks[0].message}")

    title("2. Fine-tune, and learn what good photos are like")
    short = kr.UnfreezeSchedule.two_phase(epochs=1, head_epochs=2)
    recipe = kr.DefectDetector(
        BACKBONE,
        good=arguments.good,
        false_alarms=0.2 if smoke else FALSE_ALARMS,
        schedule=short if smoke else None,  # else from the best linear model on, as far as it helps
        image_size=(96, 96) if smoke else None,  # the backbone's own; larger for small defects
        augment=AUGMENT,
        seed=arguments.seed,
    )
    recipe.fit(train, val)

    title("3. Measure on photos that it has never seen")
    print(evaluation := recipe.evaluate(test))
    bundle = recipe.save(arguments.to)

    title("4. Choose by validation photos from which score on a part is set aside")
    if defects := [name for name in photos.class_names if name != arguments.good]:
        print(operated := kr.operate_bundle(bundle, alarm=defects, **WISH))
        bundle = kr.Bundle.load(arguments.to / operated.bundle.folder.name)

    title("5. Export for the phone, verify the file, and say what it does")
    # After seconds of training a model is so unsure that int8's rounding tips many answers.
    for kind in ("float32",) if smoke else FILES:
        try:
            record = bundle.export("tflite", quantization=kind, photos=test)
            break
        except kr.VerificationError as error:
            print(f"{error}\n")
    else:
        sys.exit(f"No file was kept. The trained model is in {bundle.folder}.")
    verification = kr.Verification.from_dict(record.verification)
    summary = kr.summarise_defects(bundle, test)
    page = summary.write(arguments.to / f"summary-{bundle.folder.name}.html")
    print(f"{verification}\n\n{summary}")

    title(f"Done in {(time.monotonic() - started) / 60:.1f} minutes")
    print(
        f"On {evaluation.n} photos that it had never seen, the model is right on "
        f"{evaluation.accuracy.percent()} of them.\n{summary.headline()}\n"
        f"{record.name} has {record.size_bytes / 1e6:.1f} MB, answers in "
        f"{verification.latency[1].median_ms:.1f} ms on one thread here, and agrees with the\n"
        f"trained model on {verification.agreement:.1%} of the photos.\n\n"
        f"  summary  {page}\n  report   {bundle.folder}/report.html\n  model    {record.path}\n\n"
        f"Each Monday: kerasrecipes drift {bundle.folder} new_photos/ --history drift.db\n"
        f"Try it:      kerasrecipes predict {bundle.folder} some/photo.jpg\n"
        f"Serve it:    kerasrecipes serve {bundle.folder.parent}"
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photos", nargs="?", help="a folder of photos, or a table")
    parser.add_argument("--good", default=GOOD, help="the class of the good photos")
    parser.add_argument("--to", type=Path, default=Path(MODEL), help="the model's folder")
    parser.add_argument("--seed", type=int, default=0, help="another split and start")
    parser.add_argument("--smoke", action="store_true", help="a run of seconds that proves little")
    return parser.parse_args()


def title(text: str) -> None:
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}\n{'-' * len(text)}")


if __name__ == "__main__":
    try:
        main()
    except (kr.KerasRecipesError, ValueError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
