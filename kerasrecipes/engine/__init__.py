"""One fit: stages, what trains in them, what feeds them, and what is kept of them."""
