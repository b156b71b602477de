"""Keras layers that Keras lacks; models of them load from `.keras` files like any other."""
