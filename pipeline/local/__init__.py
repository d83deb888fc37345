"""One run on this machine, from the compiled graph to the last lines on the terminal."""
