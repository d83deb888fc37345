"""The models: encoders, projection heads, and their initial weights."""
