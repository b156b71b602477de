"""The mathematics of rounding: ranges, folding, corrections and sensitivity."""
