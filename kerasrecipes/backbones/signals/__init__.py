"""Backbones that read signals; each is built for the channels of its data, and trains anew."""
