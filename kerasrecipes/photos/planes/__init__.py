"""Photos as planes, one per channel: of any number of channels, and without rounding."""
