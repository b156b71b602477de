"""The part of a model that does not train, computed once."""
