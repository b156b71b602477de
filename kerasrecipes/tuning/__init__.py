"""Searching for better settings on someone's own examples, within minutes, and honestly."""
