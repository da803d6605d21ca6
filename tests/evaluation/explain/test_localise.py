"""Boxes, overlaps and the pointing game, against cases done by hand."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.explain.errors import ExplainError
from evaluation.explain.localisation import find_boxes, localise, overlaps, pointing_game, threshold_sweep
from evaluation.uncertainty.intervals import proportion


def one_map(*places: tuple[int, int, float], size: tuple[int, int] = (6, 8)) -> np.ndarray:
    """A map that is 0 but for some places (row, column, value)."""
    map_ = np.zeros((1, *size))
    for row, column, value in places:
        map_[0, row, column] = value
    return map_


def test_the_box_surrounds_the_largest_part_above_a_fifth_of_the_maximum():
    map_ = one_map((0, 0, 10), (3, 4, 2.1), (3, 5, 3), (4, 6, 2.5), (5, 0, 2.0))
    assert find_boxes(map_).tolist() == [[3, 4, 5, 7]]  # corners touch; 2.0 is not above 20 %
    assert find_boxes(map_, 0.5).tolist() == [[0, 0, 1, 1]]
    assert find_boxes(-map_).tolist() == [[0, 0, 0, 0]]


def test_of_parts_of_one_size_the_first_in_reading_order_is_taken():
    assert find_boxes(one_map((1, 1, 1), (4, 4, 1))).tolist() == [[1, 1, 2, 2]]


def test_overlap_is_intersection_over_union_with_the_best_of_several_boxes():
    boxes = np.array([[0, 0, 4, 4], [0, 0, 4, 4], [0, 0, 0, 0]])
    truth = [np.array([[2, 2, 6, 6]]), np.array([[5, 5, 6, 6], [0, 0, 4, 8]]), np.array([[0, 0, 2, 2]])]
    np.testing.assert_allclose(overlaps(boxes, truth), [4 / 28, 16 / 32, 0])


def test_localisation_counts_boxes_that_overlap_by_half_with_their_interval():
    maps = np.concatenate([one_map((0, 0, 1), (0, 1, 1)), one_map((2, 2, 1))])
    found = localise(maps, [[0, 0, 1, 3], [4, 4, 6, 6]])
    np.testing.assert_allclose(found.overlaps, [2 / 3, 0])
    expected = proportion(1, 2)
    assert found.accuracy == expected and found.overlap.value == pytest.approx(1 / 3)


def test_a_threshold_sweep_is_localisation_at_every_threshold():
    maps = np.random.default_rng(0).random((4, 7, 9))
    truth = np.tile([1, 2, 5, 6], (4, 1))
    sweep = threshold_sweep(maps, truth, (0.1, 0.6))
    assert [one.share for one in sweep] == [0.1, 0.6]
    np.testing.assert_array_equal(sweep[1].overlaps, localise(maps, truth, share=0.6).overlaps)
    assert (sweep[1].boxes != sweep[0].boxes).any()


def test_the_pointing_game_asks_where_the_largest_value_lies():
    maps = np.concatenate([one_map((2, 3, 9), (0, 0, 8)), one_map((0, 7, 1)), one_map()])
    truth = np.tile([2, 3, 4, 5], (3, 1))
    game = pointing_game(maps, truth)
    assert game.points.tolist() == [[2, 3], [0, 7], [-1, -1]]
    assert game.hits.tolist() == [True, False, False]
    assert (game.accuracy.numerator, game.accuracy.denominator) == (1, 3)
    assert game.chance == pytest.approx(4 / 48) and game.centre == 1  # row 3, column 4
    assert pointing_game(maps, truth, tolerance=3.7).hits.tolist() == [True, True, False]  # 2 up, 3 right: 3.61
    assert pointing_game(maps, truth, tolerance=3.6).hits.tolist() == [True, False, False]


def test_chance_is_the_share_that_random_pixels_hit():
    truth = [np.array([[0, 0, 3, 4], [2, 3, 6, 8]]), np.array([[1, 1, 2, 2]])]
    generator = np.random.default_rng(1)
    hits = [pointing_game(generator.random((2, 6, 8)), truth).hits.mean() for _ in range(1500)]
    expected = ((12 + 20 - 1) / 48 + 1 / 48) / 2
    chance = pointing_game(one_map().repeat(2, 0), truth).chance
    assert chance == pytest.approx(expected) and np.mean(hits) == pytest.approx(expected, abs=0.03)


def test_where_several_places_share_the_maximum_the_one_nearest_to_their_middle_points():
    flat = one_map(*((row, column, 5) for row in (0, 1, 2) for column in (4, 5, 6)))
    assert pointing_game(flat, [[1, 5, 2, 6]]).points.tolist() == [[1, 5]]


@pytest.mark.parametrize("value", [0.0, 3.0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize("size", [(6, 8), (1, 1)])
def test_a_map_that_says_nothing_is_a_miss_and_no_error(value, size):
    maps = np.full((1, *size), value)
    found, game = localise(maps, [[0, 0, 1, 1]]), pointing_game(maps, [[0, 0, 1, 1]])
    assert not game.hits.any() and game.points.tolist() == [[-1, -1]]
    assert found.boxes.any() == (value == 3)  # a constant positive map is one part, the whole image


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: find_boxes(np.zeros((4, 4))), r"^maps must be numbers of shape \(n, height, width\)\. Received: fl"),
        (lambda: find_boxes(one_map(), 1), r"^share must be at least 0 and below 1\. Received: share=1\."),
        (lambda: localise(one_map(), [[0, 0, 1, 1]] * 2), r"^truth must hold boxes for each of the 1 images\. Rec"),
        (lambda: localise(one_map(), [[0, 0, 0, 1]]), r"^a box must end below and right of where it starts\. Rece"),
        (lambda: localise(one_map(), [[0, 0, 1]]), r"^a box must be four whole numbers: top, left, bottom, right\."),
        (lambda: localise(one_map(), [[0, 0, 1, 1]], least=0), r"^least must be above 0 and at most 1\. Received: l"),
        (lambda: pointing_game(one_map(), [[0, 0, 1, 1]], tolerance=-1), r"^tolerance must be at least 0 pixels\."),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(call, message):
    with pytest.raises(ExplainError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
