"""What there is to read: files, archives, labels, and one source for each layout of them."""
