"""How unlike good examples something is, learned from good ones alone, and where."""
