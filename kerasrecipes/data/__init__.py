"""What every kind of example has: labels, splits, groups, findings."""
