"""Classify photos with MediaPipe Tasks, as an app on a phone would.

Runs in an environment of its own, because MediaPipe's dependencies conflict with those of
TensorFlow Model Optimization. Needs only `pip install mediapipe`:

    python mediapipe_classifier.py model.tflite photos/

Prints one JSON object: file name → {"label", "score"} of the best class. The photos must
have the model's input size, so that resizing plays no part in a comparison.
"""

import json
import sys
from pathlib import Path

import mediapipe as mp
from mediapipe.tasks import python as tasks
from mediapipe.tasks.python import vision


def main(model: str, folder: str) -> None:
    """Print the best class of every photo in `folder`."""
    options = vision.ImageClassifierOptions(
        base_options=tasks.BaseOptions(model_asset_path=model), max_results=1
    )
    found = {}
    with vision.ImageClassifier.create_from_options(options) as classifier:
        for path in sorted(Path(folder).iterdir()):
            result = classifier.classify(mp.Image.create_from_file(str(path)))
            best = result.classifications[0].categories[0]
            found[path.name] = {"label": best.category_name, "score": best.score}
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
