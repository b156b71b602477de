"""What does a random split promise when every part was photographed several times?

    python tests/benchmarks/leak.py --table tiles.csv

Logistic regression on frozen features of the magnetic-tile photos of Huang et al., once with
5 random folds and once with 5 folds by part. Prints a Markdown section for RESULTS.md.
"""

import argparse
import sys

import numpy as np
from quality import frozen_features, probe, summary
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

import kerasrecipes as kr
from kerasrecipes.environment import library_versions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--table", required=True)
    photos = kr.scan_photos(parser.parse_args().table)
    features = frozen_features(photos)
    groups = [photo.group for photo in photos.photos]
    folds = {
        "random": StratifiedKFold(5, shuffle=True, random_state=0),
        "by part": StratifiedGroupKFold(5, shuffle=True, random_state=0),
    }
    print(f"`{' '.join(['python', *sys.argv])}`\n")
    print(", ".join(f"{name} {number}" for name, number in library_versions().items()))
    print("\n| folds | accuracy | balanced accuracy | defect AUC |\n|---|---|---|---|")
    for name, maker in folds.items():
        found = []
        for train, test in maker.split(features, photos.labels, groups):
            model = probe().fit(features[train], photos.labels[train])
            scores = model.predict_proba(features[test])
            found.append(list(summary("", scores, photos.select(test)).values()))
        print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in np.mean(found, 0)) + " |")


if __name__ == "__main__":
    main()
