"""From photos to a fitted, measured and saved model."""
