"""The rooms of the pipeline, one folder per step, in the order in which the data passes through them."""
