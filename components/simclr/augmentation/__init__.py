"""The augmentations: what is drawn for each view, and the two engines that apply a draw."""
