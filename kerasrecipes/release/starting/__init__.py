"""What projects around an exported file are made of, beside those for photos."""
