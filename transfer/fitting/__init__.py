"""One case in one run: its phases, the networks of each, and what it ends with."""
