"""Backbones that read texts; each takes token ids, and knows the tokenizer that makes them."""
