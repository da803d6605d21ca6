"""The transfer room: a network that was trained on ImageNet, adapted to new images.

It imports models, training and evaluation; nothing imports it. Names and facts of all networks stand in
`transfer.pretrained.catalog`, which imports neither Keras nor TensorFlow, so that `--help` is instant.
"""
