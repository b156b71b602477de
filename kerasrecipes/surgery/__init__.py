"""Reading and rebuilding the graphs of Keras models."""
