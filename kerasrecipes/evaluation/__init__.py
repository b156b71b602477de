"""How good is a model? Numbers with intervals, from labels and scores alone."""
