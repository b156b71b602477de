"""Where a model is worse than elsewhere: by camera, batch, time, or any other column."""
