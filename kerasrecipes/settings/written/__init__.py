"""Settings as people read and write them: TOML files, a commented template, a reference page."""
