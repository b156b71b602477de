"""A backbone of two layers with weights that are always the same, for any process."""

import numpy as np

from kerasrecipes import BackboneSpec


def tiny_backbone(name: str = "tiny", filters: int = 16, **changes) -> BackboneSpec:
    """Make the backbone; wider is slower."""

    def graph(photo):
        from keras import layers

        x = layers.Rescaling(1 / 128, -127 / 128, name="scale")(photo)
        options = {"padding": "same", "activation": "relu"}
        x = layers.Conv2D(filters, 5, 2, **options, name="stem_conv")(x)
        return layers.Conv2D(filters, 3, 2, **options, name="top_conv")(x)

    def load(model):
        rng = np.random.default_rng(filters)
        model.set_weights([rng.normal(0, 0.2, w.shape) for w in model.get_weights()])

    facts = {
        "name": name, "family": "tiny", "summary": "tiny", "build_graph": graph,
        "blocks": ("stem_.+", "top_.+"), "image_size": (48, 48), "min_image_size": 32,
        "feature_size": filters, "parameter_count": 1, "weights": "preset",
        "weights_licence": "none", "weights_source": "drawn", "reference": "none",
        "load_default": load,
    }  # fmt: skip
    return BackboneSpec(**{**facts, **changes})
