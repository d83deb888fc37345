"""The commands of ``simclr``; each module adds one command or one group of commands."""
