"""Convolution by hand: the claims, and the loops against a sum written out."""

from dataclasses import replace

import numpy as np
import pytest

from tests.training.labs.small import small
from training.labs.convolution import LAB, by_hand, max_pool


def test_the_claims_hold_in_the_small_form():
    assert small(LAB).numbers["output_shape"] == (106, 160, 16)


@pytest.mark.parametrize(("padding", "expected"), [("valid", [[4.0]]), ("same", [[1.0, 2.0], [3.0, 4.0]])])
def test_a_filter_that_picks_its_last_pixel_shows_where_it_stands(padding, expected):
    image = np.array([[1.0, 2.0], [3.0, 4.0]])[..., None]
    kernels = np.zeros((2, 2, 1, 1)) if padding == "valid" else np.zeros((3, 3, 1, 1))
    kernels[1, 1] = 1.0
    np.testing.assert_array_equal(by_hand(image, kernels, padding=padding)[..., 0], expected)


def test_pooling_leaves_out_what_fills_no_window():
    image = np.arange(15.0).reshape(3, 5)[..., None]
    np.testing.assert_array_equal(max_pool(image, 2)[..., 0], [[6.0, 8.0]])


def test_stride_and_padding_of_your_choice_are_those_compared():
    findings = small(replace(LAB, small=replace(LAB.small, seeds=1, stride=3, padding="valid", kernel_size=5)))
    assert findings.numbers["output_shape"] == (35, 53, 16)
