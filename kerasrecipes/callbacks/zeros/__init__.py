"""Callbacks that hold weights at zero or equal to each other."""
