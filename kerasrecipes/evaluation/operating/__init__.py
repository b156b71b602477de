"""From which score on to act, with a bound that holds for photos to come."""
