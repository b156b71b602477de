"""Plain Keras callbacks; each works in a bare `model.fit` too."""
