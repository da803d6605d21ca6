"""The page of `make explain`: its parts, each with how to read it and its limits, from a model and images."""
