"""Reading a data root: files, archives, labels, and one source for each layout."""
