"""Searches by `make tune BACKBONE=…`: of the head on features computed once, or of how the network is fine-tuned."""
