"""Recipes that learn from tiles of large photos, and answer for these as a whole."""
