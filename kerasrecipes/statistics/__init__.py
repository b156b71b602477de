"""Estimates with their intervals, and comparisons."""
