"""Photos with labels: scanned from folders and tables, checked, decoded and augmented."""
