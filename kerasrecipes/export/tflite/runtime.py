"""Running a `.tflite` photo classifier in LiteRT, without tensorflow."""

import numpy as np

from kerasrecipes.environment import silenced
from kerasrecipes.errors import DataError, printable
from kerasrecipes.export.checks import check_threads
from kerasrecipes.export.scoring import PhotoScorer
from kerasrecipes.export.tflite.graph import check_header


class TFLiteModel(PhotoScorer):
    """A `.tflite` classifier in LiteRT. Use one per thread: the interpreter is not shared.

    Args:
        content: The bytes of the file.
        threads: Number of CPU threads, ≥ 1.
        name: What to call the file in messages.
    """

    batch_size = 1  # the file is built for one photo at a time

    def __init__(self, content: bytes, threads: int = 1, name: str = "model.tflite"):
        from ai_edge_litert.interpreter import Interpreter

        check_threads(threads)
        check_header(content, name)
        self._name = name
        try:
            with silenced():
                self._interpreter = Interpreter(model_content=content, num_threads=threads)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise _refused(name, "open", error) from error
        inputs, outputs = (
            self._interpreter.get_input_details(),
            self._interpreter.get_output_details(),
        )
        _check_interface(inputs, outputs, name)
        self._input, self._output = inputs[0]["index"], outputs[0]["index"]
        _, height, width, _ = (int(size) for size in inputs[0]["shape"])
        self.image_size = (height, width)
        self.class_count = int(outputs[0]["shape"][-1])

    def _score(self, photos: np.ndarray) -> np.ndarray:
        self._interpreter.set_tensor(self._input, photos)
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise _refused(self._name, "run", error) from error
        return self._interpreter.get_tensor(self._output)


def _refused(name: str, verb: str, error: Exception) -> DataError:
    reason = printable((str(error).splitlines() or [""])[0]).rstrip(".")
    return DataError(f"LiteRT cannot {verb} '{printable(name)}': {reason}. Export the model again.")


def _check_interface(inputs: list[dict], outputs: list[dict], name: str) -> None:
    found = [(d["dtype"].__name__, tuple(int(n) for n in d["shape"])) for d in inputs + outputs]
    photo, scores = [*found, ("", ()), ("", ())][:2]
    fits = (
        len(inputs) == len(outputs) == 1
        and photo[0] == "uint8"
        and len(photo[1]) == 4
        and (photo[1][0], photo[1][3]) == (1, 3)
        and scores[0] == "float32"
        and len(scores[1]) == 2
    )
    if not fits:
        raise DataError(
            f"'{printable(name)}' is not a photo classifier as this package writes them (one "
            "uint8 input (1, h, w, 3), one float32 output (1, classes)); its inputs and outputs "
            f"are {found}. Export the model with kerasrecipes."
        )
