"""What pretraining was worth: other ways to the same classes, measured under the protocol of linear evaluation."""
