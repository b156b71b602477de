"""Finding and reading learning rates."""
