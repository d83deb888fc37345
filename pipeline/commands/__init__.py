"""The commands of ``simclr``: one module adds one command or one group of commands."""
