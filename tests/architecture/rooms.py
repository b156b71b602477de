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


# Files below the rooms, which all that stands above them may import.
FOR_ALL = {
    "_version", "errors", "regular", "registry", "lazy", "console", "files", "file_budget",
    "keras_private", "environment", "records", "arguments",
}  # fmt: skip

# From the bottom of the house to its top. Types (`if TYPE_CHECKING:`) are free.
ROOMS = {
    "_version": Room(),
    "errors": Room(),
    "regular": Room(),
    "arguments": Room(),
    "registry": Room(),
    "lazy": Room(),
    "console": Room(later_libraries="rich"),
    "files": Room(),
    "file_budget": Room(libraries="numpy", later_libraries="h5py keras"),
    "records": Room(libraries="pydantic"),
    "keras_private": Room(later_libraries="keras"),
    "environment": Room(later_libraries="keras tensorflow threadpoolctl"),
    "templates": Room(),
    "statistics": Room(libraries="numpy", later_libraries="scipy"),
    "data": Room(
        "statistics",
        libraries="numpy pydantic",
        later_libraries="fsspec keras pyarrow scipy tensorflow",
    ),
    "photos": Room("data", libraries="numpy PIL", later_libraries="keras tensorflow tifffile"),
    "texts": Room("data statistics", libraries="numpy", later_libraries="tokenizers"),
    "signals": Room("data statistics", libraries="numpy", later_libraries="scipy"),
    "surgery": Room("data statistics", libraries="numpy", later_libraries="keras tensorflow"),
    "quantization": Room("data statistics surgery", libraries="keras numpy"),
    "backbones": Room(
        "data signals surgery",
        libraries="numpy",
        later_libraries="h5py keras keras_cv keras_hub safetensors",
    ),
    "losses": Room(libraries="keras numpy"),
    "evaluation": Room("data losses statistics", libraries="numpy", later_libraries="scipy"),
    "heads": Room("data evaluation losses statistics", libraries="keras numpy"),
    "optimizers": Room(libraries="keras"),
    "metrics": Room(libraries="keras numpy"),
    "callbacks": Room(
        "statistics",
        later="data surgery",  # to time a model as the file that it will be
        libraries="keras numpy",
        later_libraries="ai_edge_litert matplotlib mlflow tensorboard tensorflow",
    ),
    "explaining": Room(
        "statistics surgery", libraries="numpy", later_libraries="PIL keras tensorflow"
    ),
    "report": Room(
        "data evaluation heads statistics",
        later="photos",  # a contact sheet is of photos
        libraries="numpy pydantic",
        later_libraries="PIL jinja2 matplotlib sklearn",
    ),
    "novelty": Room("data", libraries="numpy", later_libraries="keras sklearn"),
    "engine": Room(
        "backbones data report statistics surgery",
        later="callbacks optimizers",
        libraries="numpy",
        later_libraries="ai_edge_litert jax keras tensorflow",
    ),
    "settings": Room(
        "backbones data engine heads metrics surgery",
        later="callbacks losses optimizers photos report texts",
        libraries="numpy",
        later_libraries="keras",
    ),
    "bundles": Room(
        "data report surgery",
        later="heads quantization",
        libraries="numpy pydantic",
        later_libraries="h5py keras",
    ),
    "signing": Room("bundles", libraries="pydantic", later_libraries="cryptography"),
    "export": Room(
        "bundles data heads quantization surgery",
        libraries="flatbuffers numpy",
        later_libraries="ai_edge_litert keras litert_quantizer onnx onnxruntime tensorflow tf2onnx",
    ),
    "verify": Room(
        "bundles data evaluation export heads statistics", later="report", libraries="numpy"
    ),
    "serve": Room(
        "bundles data export heads photos", libraries="numpy pydantic", later_libraries="pyarrow"
    ),
    "drift": Room(
        "bundles data export heads statistics",
        libraries="numpy pydantic",
        later_libraries="keras",
    ),
    "watching": Room(
        "bundles data drift heads serve statistics", later="report", libraries="numpy pydantic"
    ),
    "scoring": Room(
        "bundles data drift export serve statistics watching",
        libraries="numpy pydantic",
        later_libraries="pyarrow pyspark ray",
    ),
    "release": Room(
        "bundles data evaluation explaining export heads photos statistics texts",
        later="drift report serve verify",
        libraries="numpy",
        later_libraries="jinja2 keras sklearn",
    ),
    "edge": Room(
        "bundles release serve signing",
        libraries="numpy pydantic",
        later_libraries="PIL ai_edge_litert cryptography",
    ),
    "promotion": Room(
        "bundles data drift evaluation heads release serve signing statistics",
        later="verify",
        libraries="numpy pydantic pytest",
    ),
    "rollout": Room(
        "bundles data heads promotion statistics",
        libraries="numpy pydantic",
    ),
    "server": Room(
        "bundles data export heads photos rollout serve signing",
        later="verify",
        libraries="numpy prometheus_client pydantic starlette uvicorn",
        later_libraries="opentelemetry",
    ),
    "training": Room(
        "backbones bundles data drift engine evaluation heads losses metrics novelty photos "
        "release report settings signals statistics surgery texts",
        later="verify",
        libraries="numpy",
        later_libraries="keras sklearn",
    ),
    "renewing": Room("backbones bundles data heads promotion release serve statistics training"),
    "choosing": Room(
        "backbones bundles data evaluation heads photos release settings signals statistics "
        "training",
        later="export verify",
        libraries="numpy",
        later_libraries="scipy sklearn",
    ),
    "diagnosis": Room(
        "backbones bundles data drift engine evaluation explaining heads photos release report "
        "statistics training",
        later="export serve verify",
        libraries="PIL numpy",
        later_libraries="keras sklearn",
    ),
    "optimization": Room(
        "backbones bundles data engine evaluation heads quantization release report "
        "settings statistics surgery training",
        later="callbacks export verify",
        libraries="numpy",
        later_libraries="keras tensorflow tensorflow_model_optimization tf_keras",
    ),
    "tuning": Room(
        "bundles choosing data evaluation heads losses optimization photos report settings "
        "statistics training",
        libraries="numpy",
        later_libraries="optuna sqlalchemy",
    ),
    "review": Room(
        "backbones bundles data diagnosis evaluation photos release serve texts training",
        libraries="numpy PIL",
    ),
    "cli": Room(
        later="backbones choosing data diagnosis drift edge engine export optimization "
        "photos promotion release renewing report review rollout scoring serve server settings "
        "signing templates texts training tuning verify watching",
        libraries="typer",
        later_libraries="starlette",
    ),
    "__main__": Room("cli"),
    "__init__": Room(),
}

# Arrows that go up, each with what must happen before it can go. Keep it empty.
UPWARD: dict[tuple[str, str], str] = {}
# Folders with more files than FOLDER_FILES, which are to be divided.
CROWDED: set[str] = set()

FILE_LINES = 400
FUNCTION_LINES = 40
SCRIPT_LINES = 120
FOLDER_FILES = 15
LEVELS = 3

# Loaded with a file, these would make every command slow; some are optional, too.
LATE_LIBRARIES = {
    "ai_edge_litert", "keras", "keras_cv", "keras_hub", "matplotlib", "onnx", "onnxruntime", "rich",
    "sklearn", "tensorflow", "tensorflow_model_optimization", "tf2onnx", "tf_keras",
}  # fmt: skip
# Rooms and files that subclass what Keras has; others import them inside functions.
BUILT_ON_KERAS = {
    "callbacks",
    "losses",
    "metrics",
    "optimizers",
    "heads/parts.py",
    "quantization/fake_quantization.py",
}
TELLS_NOTHING = {"common", "core", "helpers", "misc", "util", "utils"}
