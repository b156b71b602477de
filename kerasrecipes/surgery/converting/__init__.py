"""What a model needs to become a file: tried before training, and told if it is not there."""
