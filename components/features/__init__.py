"""Frozen features: every labelled image through the encoders, once; what is measured reads them."""
