"""What a step is computed on: devices, workers, precision and memory."""
