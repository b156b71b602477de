"""The facts of a run, and how to show them: text, JSON, pictures and one HTML page."""
