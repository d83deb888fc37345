"""Whether a new span of data looks like the data before it; training starts only if it does."""
