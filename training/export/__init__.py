"""A trained run for other runtimes: every exported file is run where it will live and compared with the Keras model."""
