"""Image files in, one deduplicated, split, counted and sharded set of image records out."""
