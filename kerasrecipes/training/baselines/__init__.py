"""Simple models that fitted ones must beat."""
