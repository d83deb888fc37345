"""Stored images in, view records out: random crops for training, a labelled part held out for watching, in Beam."""
