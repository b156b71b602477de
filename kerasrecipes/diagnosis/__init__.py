"""Where a model and its labels go wrong: what to look at first, over time, under other light."""
