"""How well embeddings find their like."""
