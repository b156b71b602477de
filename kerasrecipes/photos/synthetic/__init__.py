"""Defects drawn into good photos, to train on where real ones are rare."""
