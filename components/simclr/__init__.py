"""The method itself, importable in a notebook: augmentations, losses, encoders, optimisers; no TFX and no Beam."""
