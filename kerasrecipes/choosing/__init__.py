"""What to try before a fit, measured."""
