"""Features on a plane (t-SNE), and how far the plane may be believed: neighbours before and after."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.report.serialise import estimate_json
from evaluation.report.words import bracketed, percent
from evaluation.uncertainty.intervals import Estimate, proportion

FEWEST = 5
COMPONENTS = 50
DEFAULT_PERPLEXITY = 30.0


class EmbeddingError(ValueError):
    """Features that no map can be drawn of. The message says why."""


@dataclass(frozen=True, eq=False)
class Embedding:
    """Images as points of a plane.

    Attributes:
        points: (m, 2).
        kept: (m,) rows of the features that were mapped, ascending.
        y: (m,) their class indices.
        trustworthiness: 0…1: 1 where no point has neighbours in the plane that are far in feature space.
        knn_before: Leave-one-out accuracy of the nearest neighbours' vote in feature space, with its Wilson interval.
        knn_after: The same in the plane.
        chance: Accuracy of always naming the most frequent class.
        neighbours: How many vote, and whose ranks the trustworthiness compares.
        perplexity: Of t-SNE, about the number of neighbours that a point is kept beside.
        n: Number of images before the limit.
        width: Number of features.
        seconds: What it took.
        notes: What was changed from what was asked, a sentence each.
    """

    points: np.ndarray
    kept: np.ndarray
    y: np.ndarray
    trustworthiness: float
    knn_before: Estimate
    knn_after: Estimate
    chance: float
    neighbours: int
    perplexity: float
    n: int
    width: int
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def numbers(self) -> dict[str, Any]:
        """All but the points, as plain values."""
        names = ("trustworthiness", "chance", "neighbours", "perplexity", "n", "width", "seconds")
        kept = {name: getattr(self, name) for name in names} | {"mapped": len(self.kept), "notes": list(self.notes)}
        return kept | {"knn_before": estimate_json(self.knn_before), "knn_after": estimate_json(self.knn_after)}


def embed(
    features: np.ndarray,
    y: np.ndarray,
    *,
    seed: int = 0,
    limit: int = 2000,
    neighbours: int = 10,
    perplexity: float | None = None,
) -> Embedding:
    """Maps features to a plane and measures what became of each point's neighbours.

    Features are standardised, reduced to at most 50 principal components and mapped by t-SNE, which begins with the
    first two components. The same seed on the same machine gives the same map.

    Args:
        features: (n, d) numbers, such as pooled bottleneck features. For a network that was fine-tuned on them,
            images of the training split would look better than they are: take validation images.
        y: (n,) class indices from 0.
        seed: Of the choice of images, and of t-SNE.
        limit: At most so many images are mapped, of every class in its proportion.
        neighbours: How many vote; fewer where there are few images.
        perplexity: From 1 to a third of the images; None: 30, or that third where it is less.

    Returns:
        The map and its numbers.

    Raises:
        EmbeddingError: Fewer than 5 images, features that are not finite or all the same, or shapes that do not fit.

    Reference:
        van der Maaten & Hinton 2008, Visualizing Data using t-SNE; Venna & Kaski 2001 (trustworthiness); Kobak &
        Berens 2019 (why to begin with principal components).
    """
    from sklearn.manifold import trustworthiness
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    start = time.perf_counter()
    y = _checked(features, y, limit, neighbours, perplexity)
    kept = choose(y, limit, seed)
    x, labels, notes = _finite(features[kept]), y[kept], []
    if len(kept) < len(y):
        notes.append(f"{len(kept):,} of {len(y):,} images are shown, of every class in its proportion (limit).")
    x = StandardScaler().fit_transform(x)
    voters, chosen = min(neighbours, (len(x) - 1) // 2), _perplexity(perplexity, len(x), notes)
    if voters < neighbours:
        notes.append(f"{voters} neighbours where {neighbours} were asked for: there are only {len(x)} images.")
    with threadpool_limits(1):  # threads wait for one another at each of 1,000 steps: minutes beside other work
        points = _tsne(x, chosen, seed)
        believed = float(trustworthiness(x, points, n_neighbors=voters))
        before, after = _vote(x, labels, voters), _vote(points, labels, voters)
    return Embedding(
        points=points,
        kept=kept,
        y=labels,
        trustworthiness=believed,
        knn_before=before,
        knn_after=after,
        chance=float(np.bincount(labels).max() / len(labels)),
        neighbours=voters,
        perplexity=chosen,
        n=len(y),
        width=features.shape[1],
        seconds=time.perf_counter() - start,
        notes=tuple(notes),
    )


def choose(y: np.ndarray, limit: int, seed: int) -> np.ndarray:
    """Rows of at most `limit` examples, every class in its proportion (within one example), ascending."""
    if len(y) <= limit:
        return np.arange(len(y))
    shuffled = np.random.default_rng(seed).permutation(len(y))
    ordered = shuffled[np.argsort(y[shuffled], kind="stable")]
    places = np.floor((np.arange(limit) + 0.5) * len(y) / limit).astype(int)
    return np.sort(ordered[places])


def share(estimate: Estimate) -> str:
    """A share with its interval."""
    return f"{percent(estimate.value)} ({bracketed(estimate_json(estimate))})"


def _checked(features: np.ndarray, y: np.ndarray, limit: int, neighbours: int, perplexity: float | None) -> np.ndarray:
    """The classes as integers; an EmbeddingError for what cannot be mapped."""
    y = np.asarray(y)
    if features.ndim != 2 or y.shape != features.shape[:1]:
        received = f"{features.shape} and {y.shape}"
        raise EmbeddingError(
            f"features must have shape (n, d), and y (n,): pool feature maps first. Received: {received}."
        )
    if min(len(y), limit) < FEWEST or not features.shape[1]:
        raise EmbeddingError(
            f"a map needs at least {FEWEST} images and one feature. Received: {min(len(y), limit)} and "
            f"{features.shape[1]}."
        )
    if not np.issubdtype(y.dtype, np.integer) or y.min() < 0:
        raise EmbeddingError(f"y must hold class indices from 0. Received: {y.dtype}, from {y.min()}.")
    if neighbours < 1 or (perplexity is not None and not perplexity >= 1):
        raise EmbeddingError(
            f"neighbours and perplexity must be at least 1. Received: neighbours={neighbours}, perplexity={perplexity}."
        )
    return y


def _finite(features: np.ndarray) -> np.ndarray:
    """The features as float32; an EmbeddingError where they hold nothing that could be mapped."""
    x = np.asarray(features, dtype=np.float32)
    if not np.isfinite(x).all():
        raise EmbeddingError("the features hold NaN or infinity: the network, or float16, overflowed. No map is drawn.")
    if (x == x[0]).all():
        raise EmbeddingError("the features are the same for every image, so that there is nothing to map.")
    return x


def _perplexity(asked: float | None, n: int, notes: list[str]) -> float:
    """At most a third of the images, as is usual; what was changed is noted."""
    most = (n - 1) / 3
    wanted = DEFAULT_PERPLEXITY if asked is None else asked
    if wanted <= most:
        return float(wanted)
    notes.append(f"perplexity {most:.3g} instead of {wanted:g}: at most a third of the {n} images.")
    return float(most)


def _tsne(x: np.ndarray, perplexity: float, seed: int) -> np.ndarray:
    """t-SNE of principal components: (m, 2)."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if x.shape[1] > COMPONENTS:
        x = PCA(min(COMPONENTS, len(x)), random_state=seed).fit_transform(x)
    elif x.shape[1] == 1:
        x = np.column_stack([x, np.zeros_like(x)])  # it begins with two principal components
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(x)


def _vote(x: np.ndarray, y: np.ndarray, neighbours: int) -> Estimate:
    """How often the nearest other points name a point's class; ties go to the class with the smaller index."""
    from sklearn.neighbors import KNeighborsClassifier

    named = KNeighborsClassifier(neighbours).fit(x, y).predict(None)  # None: a point is not its own neighbour
    return proportion(int((named == y).sum()), len(y))
