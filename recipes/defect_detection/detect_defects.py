"""Find defective parts on photos: train, export for a phone, and prove the file works.

You get   saved_models/defects/<version>/ with the Keras model, an int8 .tflite file that was
          checked photo by photo against it, a report with intervals, and plots.
Run       python detect_defects.py photos/      one folder per class, or a CSV with path,label
          python detect_defects.py              a demo on 2,624 photos of solar cells
Expect    5 to 15 minutes for the demo on 2 cores, and a summary with intervals at the end.

This file is yours: copy it, read it from top to bottom, change it.
"""

import argparse
import sys
import time
from pathlib import Path

from demo_photos import solar_cells

import kerasrecipes as kr

# What you will want to change first.
BACKBONE = "efficientnet_lite0"  # `kerasrecipes ls` names the others
AUGMENT = "flips"  # "factory" for changing light and places, "light" if up and down matter
GROUP_BY = None  # e.g. r"part(\d+)": photos of one part never land on two sides of the split
TEST_FRACTION, VAL_FRACTION = 0.25, 0.1
MODEL = "saved_models/defects"


def main() -> None:
    arguments = parse_arguments()
    started = time.monotonic()

    title("1. Look at the photos")
    kr.check_model_folder(arguments.to)  # before the training, not after it
    source = arguments.photos or solar_cells(limit=120 if arguments.smoke else None)
    photos = kr.scan_photos(source, group_by=GROUP_BY)
    train, val, test = kr.split_photos(
        photos, test_fraction=TEST_FRACTION, val_fraction=VAL_FRACTION, seed=arguments.seed
    )
    findings = kr.check_photos(train, val, test)
    print(findings)
    if findings.leaks:
        sys.exit(f"No number below would be true: {findings.leaks[0].message}")

    title("2. Fine-tune")
    schedule = kr.UnfreezeSchedule.two_phase()
    size = None  # the backbone's own
    if arguments.smoke:
        schedule = kr.UnfreezeSchedule.two_phase(epochs=1, head_epochs=2)
        size = (96, 96)
    recipe = kr.ImageClassifier(
        BACKBONE, schedule=schedule, image_size=size, augment=AUGMENT, seed=arguments.seed
    )
    recipe.fit(train, val)

    title("3. Measure on photos that it has never seen")
    evaluation = recipe.evaluate(test)
    print(evaluation)

    title("4. Save, export for the phone, and verify the file")
    bundle = recipe.save(arguments.to)
    # After seconds of training a model is so unsure that int8's rounding tips many answers.
    quantization = "float32" if arguments.smoke else "int8"
    record = bundle.export("tflite", quantization=quantization, photos=test)
    verification = kr.Verification.from_dict(record.verification)
    print(verification)

    title(f"Done in {(time.monotonic() - started) / 60:.1f} minutes")
    worst = evaluation.worst_first()[0]
    print(
        f"On {evaluation.n} photos that it had never seen, the model is right on "
        f"{evaluation.accuracy.percent()} of them.\n"
        f"Its weakest class is '{worst.name}': it finds {worst.recall.percent()} of those.\n"
        f"(In brackets: where the true value lies with 95 % confidence.)\n\n"
        f"The file for the phone has {record.size_bytes / 1e6:.1f} MB, answers in "
        f"{verification.latency[1].median_ms:.1f} ms on one thread here, and\n"
        f"agrees with the trained model on {verification.agreement:.1%} of the photos.\n\n"
        f"  report   {bundle.folder}/report.html\n"
        f"  plots    {bundle.folder}/plots/\n"
        f"  model    {record.path}\n\n"
        f"Try it:    kerasrecipes predict {bundle.folder} some/photo.jpg\n"
        f"Serve it:  kerasrecipes serve {bundle.folder.parent}"
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photos", nargs="?", help="a folder of photos, or a table")
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
