"""How an image becomes the encoder's input in evaluation and in serving: one transform graph, used by both."""
