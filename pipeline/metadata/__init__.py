"""What ML Metadata knows: how to reach it, and which runs, states and schemas it holds."""
