"""Classify texts with MediaPipe Tasks, as an app on a phone would; see mediapipe_classifier.py.

    python mediapipe_text_classifier.py model.tflite texts/

Prints one JSON object: name of a `.txt` file → {"label", "score"} of the best class.
"""

import json
import sys
import unicodedata
from pathlib import Path

from mediapipe.tasks import python as tasks
from mediapipe.tasks.python import text


def plain(text: str) -> str:
    """Lower-case a text and take its accents off: MediaPipe does the first for ASCII alone."""
    apart = unicodedata.normalize("NFD", text.lower())
    return "".join(one for one in apart if unicodedata.category(one) != "Mn")


def main(model: str, folder: str) -> None:
    """Print the best class of every text in `folder`."""
    options = text.TextClassifierOptions(
        base_options=tasks.BaseOptions(model_asset_path=model), max_results=1
    )
    found = {}
    with text.TextClassifier.create_from_options(options) as classifier:
        for path in sorted(Path(folder).iterdir()):
            result = classifier.classify(plain(path.read_text(encoding="utf-8")))
            best = result.classifications[0].categories[0]
            found[path.name] = {"label": best.category_name, "score": best.score}
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
