"""Which channels to remove from a convnet, and removing them."""
