"""The models: encoders, projection heads, and the weights they start from."""
