"""Pictures about a fit, and how they all look."""
