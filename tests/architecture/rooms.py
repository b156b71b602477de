"""The rooms of the package, and what each may import. The place to change when an arrow is right.

The picture of what they do import is in CONTRIBUTING.md: `make picture`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Room:
    """What the files of one folder, or one file beside the folders, may import.

    Args:
        rooms: Rooms that it may import anywhere. They stand above its line, which is below it in
            the house.
        later: The same, but inside functions only, so that loading it stays quick.
        libraries: Third-party packages that it may import anywhere.
        later_libraries: Third-party packages that it may import inside functions only.
    """

    rooms: str = ""
    later: str = ""
    libraries: str = ""
    later_libraries: str = ""


# From the bottom of the house to its top. Types (`if TYPE_CHECKING:`) are free.
ROOMS = {
    "_version": Room(),
    "errors": Room(),
    "files": Room("errors"),
    "registry": Room("errors"),
    "lazy": Room(later="errors"),
    "console": Room(),
    "environment": Room("_version", later_libraries="keras tensorflow"),
    "templates": Room("errors files"),
    "statistics": Room("errors lazy", libraries="numpy", later_libraries="scipy"),
    "data": Room("errors", libraries="numpy", later_libraries="keras tensorflow"),
    "photos": Room("data errors lazy", libraries="numpy PIL", later_libraries="tensorflow"),
    "surgery": Room("errors lazy photos", libraries="numpy", later_libraries="keras"),
    "quantization": Room("data errors lazy statistics surgery", libraries="keras numpy"),
    "backbones": Room(
        "environment errors files lazy registry surgery",
        libraries="numpy",
        later_libraries="h5py keras keras_cv keras_hub",
    ),
    "losses": Room("errors lazy registry", libraries="keras numpy"),
    "heads": Room("errors lazy registry", later="losses", later_libraries="keras"),
    "optimizers": Room("lazy", libraries="keras"),
    "callbacks": Room(
        "errors files lazy",
        libraries="keras numpy",
        later_libraries="matplotlib mlflow tensorboard tensorflow",
    ),
    "evaluation": Room("errors lazy statistics", libraries="numpy", later_libraries="scipy"),
    "report": Room(
        "errors evaluation statistics",
        later="photos",  # the mistakes are shown as photos
        libraries="numpy",
        later_libraries="jinja2 matplotlib sklearn",
    ),
    "engine": Room(
        "backbones data environment errors files lazy photos report surgery",
        later="callbacks losses optimizers",
        libraries="numpy",
        later_libraries="ai_edge_litert jax keras tensorflow",
    ),
    "bundles": Room(
        "environment errors files photos report",
        later="quantization",
        libraries="numpy pydantic",
        later_libraries="keras",
    ),
    "export": Room(
        "bundles environment errors files lazy quantization registry",
        later="photos",
        libraries="flatbuffers numpy",
        later_libraries="ai_edge_litert keras litert_quantizer onnx onnxruntime tensorflow tf2onnx",
    ),
    "verify": Room(
        "bundles data errors export photos statistics", later="report", libraries="numpy"
    ),
    "serve": Room("bundles errors export photos"),
    "release": Room(
        "bundles errors export files",
        later="data photos verify",
        libraries="numpy",
        later_libraries="jinja2",
    ),
    "training": Room(
        "backbones bundles console data engine environment errors evaluation files heads photos "
        "release report surgery",
        later="verify",
        libraries="numpy",
        later_libraries="keras sklearn",
    ),
    "choosing": Room(
        "backbones console data engine environment errors evaluation photos statistics training",
        later="export verify",
        libraries="numpy",
        later_libraries="scipy sklearn",
    ),
    "optimization": Room(
        "backbones bundles console data engine environment errors evaluation files lazy photos "
        "quantization release report statistics surgery training",
        later="callbacks export verify",
        libraries="numpy",
        later_libraries="keras tensorflow tensorflow_model_optimization tf_keras",
    ),
    "cli": Room(
        "_version errors",
        later="backbones choosing data engine export files optimization photos release report "
        "serve templates training verify",
        libraries="typer",
    ),
    "__main__": Room("cli"),
    "__init__": Room("_version lazy"),
}

# Arrows that go up, each with what must happen before it can go. Keep it empty.
UPWARD = {
    ("data", "photos"): "Splits, findings and predicting know examples as photos.",
}
# Folders with more files than FOLDER_FILES, which are to be divided.
CROWDED = {"training"}

FILE_LINES = 400
FUNCTION_LINES = 40
SCRIPT_LINES = 120
FOLDER_FILES = 15
LEVELS = 3

# Loaded with a file, these would make every command slow; some are optional, too.
LATE_LIBRARIES = {
    "ai_edge_litert", "keras", "keras_cv", "keras_hub", "matplotlib", "onnx", "onnxruntime",
    "sklearn", "tensorflow", "tensorflow_model_optimization", "tf2onnx", "tf_keras",
}  # fmt: skip
# Rooms and files that subclass what Keras has; others import them inside functions.
BUILT_ON_KERAS = {"callbacks", "losses", "optimizers", "quantization/fake_quantization.py"}
TELLS_NOTHING = {"common", "core", "helpers", "misc", "util", "utils"}
