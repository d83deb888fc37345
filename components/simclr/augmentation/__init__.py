"""The augmentations: policies, the draws for each view, and what applies a draw to pixels."""
