"""Features at a cut: computed in one pass, kept on disk under a key, and probed by linear classifiers."""
