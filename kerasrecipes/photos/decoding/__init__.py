"""From the bytes of a photo to pixels, by one policy."""
