"""Smaller and faster models: fewer channels, fewer weights, fewer values, a good teacher."""
