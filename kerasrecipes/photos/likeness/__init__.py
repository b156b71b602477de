"""What photos look like: fingerprints, where those of very many lie, and which are alike."""
