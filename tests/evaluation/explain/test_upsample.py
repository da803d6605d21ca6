"""Up-sampling puts the centre of every cell where it belongs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from evaluation.explain.upsample import upsample


def test_cell_1_of_7_at_224_pixels_has_its_centre_at_47_5():
    cell = np.zeros((1, 7, 7))
    cell[0, 1, 1] = 1
    row = upsample(cell, 224, 224)[0, 48]
    assert np.isclose(np.sum(np.arange(224) * row) / row.sum(), 47.5)
    np.testing.assert_allclose(row[47], row[48])
    assert row.argmax() in (47, 48)


@pytest.mark.parametrize(("height", "width"), [(224, 224), (10, 37), (3, 5), (2, 1)])
def test_it_equals_scipys_interpolation_at_half_pixel_centres(height, width):
    maps = np.random.default_rng(0).normal(size=(3, 4, 5))
    rows = (np.arange(height) + 0.5) * 4 / height - 0.5
    columns = (np.arange(width) + 0.5) * 5 / width - 0.5
    grid = np.meshgrid(rows, columns, indexing="ij")
    expected = [map_coordinates(map_, grid, order=1, mode="nearest") for map_ in maps]
    np.testing.assert_allclose(upsample(maps, height, width), expected, atol=1e-6)


def test_the_mean_is_kept_where_a_cell_is_a_whole_number_of_pixels():
    maps = np.random.default_rng(0).normal(size=(2, 4, 5))
    np.testing.assert_allclose(upsample(maps, 12, 20).mean((1, 2)), maps.mean((1, 2)), atol=1e-6)
    np.testing.assert_allclose(upsample(maps, 4, 5), maps, atol=1e-6)
