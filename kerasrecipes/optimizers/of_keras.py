"""Keras's own optimizers that a recipe takes by name, as facts that cost no import."""

# `rates` is how many times those of AdamW the usual learning rates are.
OPTIMIZERS = {
    "adafactor": {"make": "Adafactor"},
    "adam": {"make": "Adam"},
    "lamb": {"make": "Lamb"},
    "lion": {"make": "Lion", "rates": 0.2},
    "nadam": {"make": "Nadam"},
    "rmsprop": {"make": "RMSprop"},
    "sgd": {"make": "SGD", "rates": 10.0, "usual": {"momentum": 0.9, "nesterov": True}},
}


def __getattr__(name: str) -> type:
    """Return a class of `keras.optimizers`, which is imported only when one is made."""
    import keras

    found: type = getattr(keras.optimizers, name)
    return found
