"""Views in, encoder out: SimCLR pretraining that goes on where it was interrupted and stops when it learns nothing."""
