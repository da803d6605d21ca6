"""Delta-method variances of functions of a confusion matrix, for samples too large or too wide to resample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluation.uncertainty.resampling import group_codes


@dataclass(frozen=True)
class Gradient:
    """How a number changes when one more example is counted.

    An example of class r that is called c changes it by truth[r] + called[c] + total, and by hit[r] more where r = c.

    Attributes:
        hit, truth, called: Arrays of shape (K,).
        total: A number.
    """

    hit: np.ndarray
    truth: np.ndarray
    called: np.ndarray
    total: float = 0.0


def class_gradient(gradient: np.ndarray, scale: np.ndarray) -> Gradient:
    """Σₖ scale[k]·fₖ, from the derivatives of fₖ by tp, fp, fn, tn, shape (4, K); classes of scale 0 do not matter."""
    tp, fp, fn, tn = np.where(scale == 0, 0.0, gradient) * scale
    return Gradient(tp - fp - fn + tn, fn - tn, fp - tn, float(tn.sum()))


class IndependentSums:
    """Variances where examples are independent and the number of examples of each class is given.

    Args:
        matrix: Sums of weights, shape (K, K).
        squares: Sums of squared weights; for counts, the counts.
        sizes: Examples of each class, shape (K,).
    """

    method = "linearised"

    def __init__(self, matrix: np.ndarray, squares: np.ndarray, sizes: np.ndarray) -> None:
        self.rows, self.columns = np.nonzero(squares)
        self.sums = matrix[self.rows, self.columns].astype(np.float64)
        self.squares = squares[self.rows, self.columns].astype(np.float64)
        self.sizes = np.maximum(sizes, 1)
        self.cells = _cells(matrix)
        self.square_cells = _cells(squares)

    def variance(self, gradient: Gradient) -> float:
        """Variance of a number with this gradient."""
        effect = gradient.truth[self.rows] + gradient.called[self.columns] + gradient.total
        effect += np.where(self.rows == self.columns, gradient.hit[self.rows], 0.0)
        first = np.bincount(self.rows, self.sums * effect, len(self.sizes))
        return max(0.0, float(np.sum(self.squares * effect**2) - np.sum(first**2 / self.sizes)))

    def class_variance(self, index: int, gradient: np.ndarray) -> float:
        """Variance of a number of one class against the rest, from its derivatives by tp, fp, fn, tn."""
        sums = self.cells[:, index] * gradient
        own = self.sizes[index]
        others = max(1, self.sizes.sum() - own)
        spread = float(np.sum(self.square_cells[:, index] * gradient**2))
        return max(0.0, spread - (sums[0] + sums[2]) ** 2 / own - (sums[1] + sums[3]) ** 2 / others)

    def effective_size(self, index: int, names: tuple[str, ...]) -> float:
        """Kish's effective number of examples in these cells: (Σw)²/Σw²."""
        cells = [CELL_NAMES.index(name) for name in names]
        squares = float(self.square_cells[cells, index].sum())
        return float(self.cells[cells, index].sum()) ** 2 / squares if squares else 0.0

    def total_size(self) -> float:
        """Kish's effective number of all examples."""
        return float(self.sums.sum()) ** 2 / float(self.squares.sum())


class GroupedSums:
    """Variances where whole groups are independent: the sums of each group vary about their mean.

    Args:
        y_true, y_pred: Class indices, shape (n,).
        num_classes: Number of classes K.
        groups: Group of every example, shape (n,).
        weights: Weight of every example, above 0; None: one.
    """

    method = "cluster-linearised"

    def __init__(
        self,
        y_true: np.ndarray,
        y_pred: np.ndarray,
        num_classes: int,
        *,
        groups: np.ndarray,
        weights: np.ndarray | None,
    ) -> None:
        from scipy.sparse import csr_array

        codes, self.number = group_codes(groups)
        values = np.ones(len(codes)) if weights is None else weights
        shape, right = (self.number, num_classes), y_true == y_pred
        self.hit = csr_array((values[right], (codes[right], y_true[right])), shape=shape)
        self.truth = csr_array((values, (codes, y_true)), shape=shape)
        self.called = csr_array((values, (codes, y_pred)), shape=shape)
        self.total = np.bincount(codes, values, self.number)
        self._moments: np.ndarray | None = None

    def variance(self, gradient: Gradient) -> float:
        """Variance of a number with this gradient."""
        effect = self.hit @ gradient.hit + self.truth @ gradient.truth + self.called @ gradient.called
        effect += gradient.total * self.total
        return float(np.sum((effect - effect.mean()) ** 2)) * self._correction()

    def class_variance(self, index: int, gradient: np.ndarray) -> float:
        """Variance of a number of one class against the rest, from its derivatives by tp, fp, fn, tn."""
        if self._moments is None:
            self._moments = self._class_moments()
        tp, fp, fn, tn = gradient
        vector = np.array([tp - fp - fn + tn, fn - tn, fp - tn, tn])
        return max(0.0, float(vector @ self._moments[:, :, index] @ vector)) * self._correction()

    def effective_size(self, index: int, names: tuple[str, ...]) -> float:
        """Number of groups that hold examples in these cells."""
        hit, truth = self.hit[:, [index]].toarray()[:, 0], self.truth[:, [index]].toarray()[:, 0]
        called = self.called[:, [index]].toarray()[:, 0]
        cells = {"tp": hit, "fp": called - hit, "fn": truth - hit, "tn": self.total - truth - called + hit}
        held = sum(cells[name] for name in names)
        return float(np.count_nonzero(held > 1e-9 * self.total))

    def total_size(self) -> float:
        """Number of groups."""
        return float(self.number)

    def _correction(self) -> float:
        """G/(G − 1), for the mean that the sums vary about is estimated."""
        return self.number / (self.number - 1) if self.number > 1 else 0.0

    def _class_moments(self) -> np.ndarray:
        """Centred second moments of each class' hit, truth, called and total by group, shape (4, 4, K)."""
        columns = (self.hit, self.truth, self.called)
        moments = np.empty((4, 4, self.hit.shape[1]))
        sums = [np.asarray(column.sum(axis=0)) for column in columns] + [self.total.sum()]
        for i, first in enumerate(columns):
            for j, second in enumerate(columns):
                moments[i, j] = np.asarray(first.multiply(second).sum(axis=0))
            moments[i, 3] = moments[3, i] = self.total @ first
        moments[3, 3] = float(self.total @ self.total)
        for i in range(4):
            for j in range(4):
                moments[i, j] -= sums[i] * sums[j] / self.number
        return moments


CELL_NAMES = ("tp", "fp", "fn", "tn")


def _cells(matrix: np.ndarray) -> np.ndarray:
    """TP, FP, FN and TN of every class, shape (4, K), float64."""
    from evaluation.metrics.confusion import cells_by_class

    return np.stack(cells_by_class(matrix)).astype(np.float64)
