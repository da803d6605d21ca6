"""t-SNE of features: its numbers against plain definitions, its refusals, its figure."""

from dataclasses import replace

import numpy as np
import pytest

from evaluation.embedding import EmbeddingError, choose, embed
from evaluation.plots.embedding import MOST_LABELS, _label_panel, _new_panels, draw_embedding, style_of
from evaluation.uncertainty.intervals import wilson_limits


def clusters(n=45, classes=3, width=60, noise=1.0, seed=0):
    """Features around one far centre per class."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    return (6 * rng.normal(size=(classes, width))[y] + noise * rng.normal(size=(n, width))).astype(np.float32), y


@pytest.fixture(scope="module")
def mapped():
    return embed(*clusters())


def test_well_separated_classes_keep_their_neighbours(mapped):
    assert mapped.points.shape == (45, 2) and (mapped.knn_before.value, mapped.knn_after.value) == (1.0, 1.0)
    assert (mapped.knn_after.low, mapped.knn_after.high) == pytest.approx(wilson_limits(45, 45))
    assert mapped.trustworthiness > 0.8 and mapped.chance == pytest.approx(1 / 3)
    assert mapped.perplexity == pytest.approx(44 / 3) and "perplexity 14.7 instead of 30" in mapped.notes[0]


def test_the_numbers_are_those_of_their_definitions(mapped):
    x, y = clusters(noise=20.0)
    found = embed(x, y, neighbours=3)
    scaled = ((x - x.mean(0)) / x.std(0)).astype(np.float32)
    for points, share in ((scaled, found.knn_before), (found.points, found.knn_after)):
        far = np.linalg.norm(points[:, None] - points[None], axis=2)
        np.fill_diagonal(far, np.inf)
        votes = [np.bincount(y[np.argsort(row)[:3]], minlength=3).argmax() for row in far]
        assert share.value == np.mean(votes == y)
    assert found.knn_before.value < 1


def test_the_same_seed_gives_the_same_map_and_the_input_stays(mapped):
    x, y = clusters()
    again = embed(x, y)
    np.testing.assert_array_equal(again.points, mapped.points)
    np.testing.assert_array_equal(x, clusters()[0])


def test_more_than_the_limit_is_thinned_in_proportion_and_said():
    y = np.repeat([0, 1, 2], [60, 30, 10])
    kept = choose(y, 20, seed=0)
    assert np.bincount(y[kept]).tolist() == [12, 6, 2] and (np.diff(kept) > 0).all()
    assert choose(y, 20, seed=1).tolist() != kept.tolist()
    found = embed(clusters(100)[0], y, limit=20)
    assert (found.n, len(found.kept)) == (100, 20) and found.notes[0].startswith("20 of 100 images are shown")


@pytest.mark.parametrize("width", [1, 2, 60])
def test_five_images_and_a_single_feature_are_enough(width):
    x, y = clusters(5, 2, width)
    found = embed(x, y)
    assert (found.neighbours, found.perplexity) == (2, pytest.approx(4 / 3)) and np.isfinite(found.points).all()


def test_duplicates_dead_features_and_float16_are_no_obstacle():
    x, y = clusters(12, 2)
    x = np.repeat(x[:2], 6, axis=0).astype(np.float16)
    x[:, :5] = 0
    found = embed(x, np.repeat([0, 1], 6), neighbours=3)
    assert np.isfinite(found.points).all() and found.knn_before.value == 1.0


def nan():
    x, y = clusters()
    x[3, 2] = np.nan
    return x, y, {}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (nan(), "NaN or infinity"),
        ((np.ones((9, 4)), np.arange(9) % 2, {}), "the same for every image"),
        ((*clusters(4, 2), {}), "at least 5 images and one feature. Received: 4 and 60"),
        ((np.zeros((9, 0)), np.arange(9), {}), "at least 5 images and one feature"),
        ((np.zeros((9, 2, 2)), np.arange(9), {}), r"pool feature maps first. Received: \(9, 2, 2\) and \(9,\)"),
        ((np.zeros((9, 2)), np.arange(8), {}), r"Received: \(9, 2\) and \(8,\)"),
        ((np.eye(9), np.linspace(0, 1, 9), {}), "class indices from 0. Received: float64"),
        ((np.eye(9), np.arange(9) - 1, {}), "class indices from 0. Received: int64, from -1"),
        ((np.eye(9), np.arange(9), {"perplexity": float("nan")}), "must be at least 1"),
    ],
)
def test_what_cannot_be_mapped_is_refused_in_words(given, message):
    x, y, options = given
    with pytest.raises(EmbeddingError, match=message):
        embed(x, y, **options)


def test_points_have_the_colour_of_their_class_and_twenty_classes_differ(mapped):
    _, (ax,) = _new_panels(1)
    from evaluation.plots.embedding import _draw_points

    _draw_points(ax, mapped, ["a", "b", "c"])
    np.testing.assert_allclose(ax.collections[1].get_offsets(), mapped.points[mapped.y == 1], rtol=1e-6)
    assert len({tuple(style_of(index).values()) for index in range(20)}) == 20


def test_many_classes_get_names_that_do_not_hide_one_another(mapped):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure, (ax,) = _new_panels(1)
    points = np.random.default_rng(0).normal(size=(600, 2))
    many = replace(mapped, points=points, y=np.arange(600) % 300)
    ax.scatter(*points.T)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    labelled = _label_panel(ax, canvas, many, [f"class {i}" for i in range(300)])
    boxes = [text.get_window_extent() for text in ax.texts]
    assert 1 < len(labelled) == len(boxes) <= MOST_LABELS
    assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])


def test_hostile_names_are_drawn_as_text(mapped, tmp_path):
    path = draw_embedding(mapped, ["_hidden", "$x^$", "<b>\x00"], tmp_path / "map.png")
    assert path.stat().st_size > 1000


def test_a_class_without_a_name_and_three_panels_are_refused(mapped, tmp_path):
    with pytest.raises(ValueError, match="Received: 2 names, and class index 2"):
        draw_embedding(mapped, ["a", "b"], tmp_path / "map.png")
    with pytest.raises(ValueError, match="one or two. Received: 3"):
        draw_embedding(dict.fromkeys("abc", mapped), ["a", "b", "c"], tmp_path / "map.png")
    assert not list(tmp_path.iterdir())


def test_points_predicted_wrongly_are_ringed_and_counted(mapped, tmp_path):
    from evaluation.plots.embedding import _draw_rings, _ring_lines

    wrong = np.arange(45) % 9 == 0
    _, (ax,) = _new_panels(1)
    _draw_rings(ax, mapped, wrong)
    np.testing.assert_allclose(ax.collections[0].get_offsets(), mapped.points[::9], rtol=1e-6)
    assert _ring_lines({"": wrong}) == ["Ringed: predicted wrongly, 5 of 45."]
    assert draw_embedding(mapped, ["a", "b", "c"], tmp_path / "map.png", wrong=wrong).exists()
    with pytest.raises(ValueError, match="wrong must say True or False for each point"):
        draw_embedding(mapped, ["a", "b", "c"], tmp_path / "map.png", wrong=wrong[:9])
