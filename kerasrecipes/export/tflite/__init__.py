"""TFLite files: conversion, what they hold, and running them."""

from kerasrecipes.export.tflite.tflite import FORMATS

__all__ = ["FORMATS"]
