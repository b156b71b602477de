"""The folder that holds a finished model, and the records in it."""
