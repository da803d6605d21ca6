"""Receptive fields: against impulses through linear networks, the textbook's formula, and pixels changed in and out."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from evaluation.explain import tap
from evaluation.explain.feature_maps import activations
from evaluation.explain.receptive import Box, crop, receptive_fields
from tests.evaluation.explain import cases

layers = keras.layers
SIZE = (15, 12)


def ones(**options):
    return {"use_bias": False, "kernel_initializer": "ones", **options}


def branches(x):
    left = layers.Conv2D(1, 3, strides=2, padding="same", **ones())(x)
    right = layers.AveragePooling2D(2, padding="same")(layers.DepthwiseConv2D((5, 1), padding="same", **deep())(x))
    joined = layers.Concatenate()([left, layers.Conv2D(1, 1, **ones())(right)])
    return left + layers.Conv2D(1, 2, padding="same", **ones())(joined)


def deep():
    return {"use_bias": False, "depthwise_initializer": "ones"}


def gated(x):
    """Squeeze and excitation: each place is scaled by the mean of all."""
    x = layers.Conv2D(1, 3, **ones())(x)
    return layers.Multiply()([x, layers.Reshape((1, 1, 1))(layers.GlobalAveragePooling2D()(x))])


BODIES = {
    "valid": lambda x: layers.Conv2D(1, (3, 2), strides=(2, 1), **ones())(x),
    "same": lambda x: layers.Conv2D(1, (4, 3), strides=(1, 2), padding="same", **ones())(x),
    "dilated": lambda x: layers.Conv2D(1, 3, dilation_rate=(2, 3), padding="same", **ones())(x),
    "separable": lambda x: layers.SeparableConv2D(1, 3, strides=2, pointwise_initializer="ones", **deep())(x),
    "pooled": lambda x: layers.MaxPooling2D((3, 2), strides=2, padding="same")(layers.Conv2D(1, 2, **ones())(x)),
    "padded": lambda x: layers.Conv2D(1, 3, strides=2, **ones())(layers.ZeroPadding2D(((0, 1), (2, 3)))(x)),
    "cropped": lambda x: layers.Conv2D(1, 3, padding="same", **ones())(layers.Cropping2D(((3, 1), (0, 2)))(x)),
    "transposed": lambda x: layers.Conv2DTranspose(1, 3, strides=2, padding="same", **ones())(x),
    "transposed_valid": lambda x: layers.Conv2DTranspose(1, (2, 4), strides=(3, 2), **ones())(x),
    "enlarged": lambda x: layers.Conv2D(1, 2, **ones())(layers.UpSampling2D(2)(x)),
    "enlarged_smoothly": lambda x: layers.UpSampling2D((2, 3), interpolation="bilinear")(x),
    "branches": branches,
    "three_deep": lambda x: BODIES["pooled"](BODIES["same"](BODIES["pooled"](x))),
    "averaged": lambda x: layers.GlobalAveragePooling2D(keepdims=True)(BODIES["valid"](x)),
}


def impulses(body) -> np.ndarray:
    """`(h, w, height, width)`: whether each unit answers to each pixel alone."""
    pixels = keras.Input((*SIZE, 1))
    model = keras.Model(pixels, body(pixels))
    count = SIZE[0] * SIZE[1]
    answers = np.asarray(model(np.eye(count, dtype=np.float32).reshape(count, *SIZE, 1)))[..., 0]
    return np.moveaxis(answers != 0, 0, -1).reshape(*answers.shape[1:], *SIZE)


@pytest.mark.parametrize("name", BODIES)
def test_boxes_are_those_around_the_pixels_that_a_unit_answers_to(name):
    pixels = keras.Input((*SIZE, 1))
    outputs = BODIES[name](pixels)
    model = keras.Model(pixels, layers.Dense(2, name="logits")(layers.Flatten()(outputs)))
    nodes = tap(model).nodes
    node = next(node for node in nodes if node.operation is outputs._keras_history.operation)
    field = receptive_fields(nodes, SIZE)[node]
    seen = impulses(BODIES[name])
    assert field.exact and (len(field.rows), len(field.columns)) == seen.shape[:2]
    for row, column in np.ndindex(seen.shape[:2]):
        rows, columns = np.nonzero(seen[row, column])
        expected = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1) if len(rows) else (0, 0, 0, 0)
        assert field.box(row, column) == expected


def test_a_chain_without_borders_follows_the_formula():
    model = keras.Sequential([keras.Input((64, 64, 1))])
    jump, reach, start = 1, 1, 0.5
    for kernel, stride in ((3, 1), (5, 2), (2, 2), (3, 1)):
        model.add(layers.Conv2D(1, kernel, strides=stride))
        start, reach, jump = start + (kernel - 1) / 2 * jump, reach + (kernel - 1) * jump, jump * stride
    nodes = tap(model).nodes
    field = receptive_fields(nodes, (64, 64))[nodes[-1]]
    for place in (0, 4, len(field.rows) - 1):
        centre = start + place * jump
        assert field.rows[place].tolist() == [centre - reach / 2, centre + reach / 2]


@pytest.mark.parametrize(
    ("kind", "layer"),
    [
        ("cifar_cnn", "conv3_pool"),
        ("cifar_cnn_functional", "conv2"),
        ("gap_cnn", "conv3"),
        ("nested", "out"),
        ("residual", "added"),
        ("users", "second"),
        ("mobilenet", "conv_pw_2_relu"),
    ],
)
def test_pixels_outside_never_change_a_unit_and_those_on_every_side_inside_can(kind, layer):
    tapped = cases.tapped(kind)
    node = tapped.find(layer)
    images = cases.images_for(tapped.model, 6)
    field = receptive_fields(tapped.nodes, images.shape[1:3])[node]
    assert field.exact
    plain, others = activations(tapped, images, layer), cases.images_for(tapped.model, 6, seed=9)
    for row, column in {(0, 0), (len(field.rows) // 2, len(field.columns) // 2), (-1 % len(field.rows), 0)}:
        top, left, bottom, right = field.box(row, column)
        outside = np.ones(images.shape[1:3], bool)
        outside[top:bottom, left:right] = False
        changed = np.where(outside[..., None], others, images)
        np.testing.assert_array_equal(activations(tapped, changed, layer)[:, row, column], plain[:, row, column])
        edges, ends = (top, bottom - 1), (left, right - 1)
        for side in (*(np.s_[edge, left:right] for edge in edges), *(np.s_[top:bottom, end] for end in ends)):
            changed = images.copy()
            changed[:, *side] = others[:, *side]
            assert (activations(tapped, changed, layer)[:, row, column] != plain[:, row, column]).any()


def test_layers_that_mix_places_see_everything_and_what_is_unknown_is_said():
    pixels = keras.Input((*SIZE, 1))
    nodes = tap(keras.Model(pixels, layers.Dense(2, name="logits")(layers.Flatten()(gated(pixels))))).nodes
    fields = {node.path: field for node, field in receptive_fields(nodes, SIZE).items()}
    assert fields["logits"].box() == Box(0, 0, *SIZE) and fields["logits"].exact
    multiplied = next(field for path, field in fields.items() if path.startswith("multiply"))
    assert multiplied.box(3, 3) == Box(0, 0, *SIZE)
    rolled = keras.ops.roll(layers.Conv2D(1, 3)(pixels), 2, axis=1)
    model = keras.Model(pixels, layers.Dense(2, name="logits")(layers.Flatten()(rolled)))
    fields = receptive_fields(tap(model).nodes, SIZE)
    unknown = next(field for node, field in fields.items() if node.path.startswith("roll"))
    assert unknown.box(5, 5) == Box(0, 0, *SIZE) and not unknown.exact


def test_a_frame_sticks_out_where_its_box_is_clipped_and_the_crop_is_grey_there():
    nodes = cases.tapped("gap_cnn").nodes
    field = receptive_fields(nodes, (16, 12))[cases.tapped("gap_cnn").find("conv2")]
    assert field.box(0, 0) == (0, 0, 5, 5) and field.frame(0, 0) == (-3, -3, 5, 5)
    assert field.box(7, 5) == (11, 7, 16, 12) and field.frame(7, 5) == (11, 7, 19, 15)
    image = cases.images_for(cases.build("gap_cnn"), 1)[0]
    part = crop(image, field.frame(0, 0))
    np.testing.assert_array_equal(part[3:, 3:], image[:5, :5])
    assert part.shape == (8, 8, 3) and (part[:3] == 128).all() and (part[:, :3] == 128).all()
