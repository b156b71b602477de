"""Photos that lie in memory or come from a data set of another library."""
