"""Three real data sets that come with scikit-learn: nothing to download."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.datasets.assemble import assemble
from training.datasets.classes import order_classes, reorder
from training.datasets.dataset import Dataset, Split, digest_of
from training.datasets.splits import DEFAULT_CARVING, Carving


def load_digits(*, carving: Carving = DEFAULT_CARVING, positive: str | None = None) -> Dataset:
    """1,797 handwritten digits, 8×8 and 16 greys, shown as 32×32×3 in 0…255.

    Reference:
        E. Alpaydin, C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI.
    """
    from sklearn.datasets import load_digits as source

    bunch = source()
    grey = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    enlarged = grey.repeat(4, axis=1).repeat(4, axis=2)
    x = np.repeat(enlarged[..., None], 3, axis=3)
    names = [str(digit) for digit in range(10)]
    return _classification("digits", x, bunch.target, names, carving=carving, positive=positive)


def load_breast_cancer(*, carving: Carving = DEFAULT_CARVING, positive: str | None = None) -> Dataset:
    """569 patients, 30 measurements of cell nuclei; the positive class is malignant.

    Reference:
        W. Street, W. Wolberg, O. Mangasarian (1993), Nuclear feature extraction for breast tumor diagnosis.
    """
    from sklearn.datasets import load_breast_cancer as source

    bunch = source()
    names = [str(name) for name in bunch.target_names]
    x, features = bunch.data.astype(np.float32), tuple(str(name) for name in bunch.feature_names)
    return _classification(
        "breast_cancer",
        x,
        bunch.target,
        names,
        carving=carving,
        positive=positive,
        default="malignant",
        features=features,
    )


def load_diabetes(*, carving: Carving = DEFAULT_CARVING) -> Dataset:
    """442 patients, 10 raw measurements; the target is the disease progression after one year.

    Reference:
        B. Efron, T. Hastie, I. Johnstone, R. Tibshirani (2004), Least Angle Regression.
    """
    from sklearn.datasets import load_diabetes as source

    bunch = source(scaled=False)
    x, y = bunch.data.astype(np.float32), bunch.target.astype(np.float32)
    digest = digest_of(["diabetes", x, y])
    splits, notes = assemble({"train": Split(x, y, _ids("diabetes", len(y)))}, carving=carving, unit="row")
    return Dataset(
        name="diabetes",
        kind="table",
        task="regression",
        **splits,
        class_names=(),
        digest=digest,
        feature_names=tuple(str(name) for name in bunch.feature_names),
        notes=tuple(notes),
    )


def _classification(
    name: str,
    x: np.ndarray,
    labels: np.ndarray,
    names: Sequence[str],
    *,
    carving: Carving,
    positive: str | None,
    default: str | None = None,
    features: tuple[str, ...] = (),
) -> Dataset:
    digest = digest_of([name, x, labels.astype(np.int64), list(names)])
    class_names, class_notes = order_classes(names, positive, default=default)
    train = Split(x, reorder(labels, names, class_names), _ids(name, len(x)))
    unit = "row" if features else "image"
    splits, notes = assemble({"train": train}, carving=carving, class_names=class_names, unit=unit)
    return Dataset(
        name=name,
        kind="table" if features else "image",
        task="classification",
        **splits,
        class_names=class_names,
        digest=digest,
        feature_names=features,
        notes=(*class_notes, *notes),
    )


def _ids(name: str, count: int) -> np.ndarray:
    """`digits/0000`, `digits/0001`, …"""
    return np.array([f"{name}/{i:04d}" for i in range(count)])
