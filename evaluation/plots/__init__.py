"""Figures of an evaluation for matplotlib: every function takes axes and returns an object that holds what it drew."""

from evaluation.plots.calibration import CalibrationDisplay, plot_calibration
from evaluation.plots.difference import DifferenceDisplay, plot_difference
from evaluation.plots.forest import ForestDisplay, plot_forest
from evaluation.plots.histogram import ScoreHistogramDisplay, plot_score_histogram
from evaluation.plots.matrix import ConfusionMatrixDisplay, plot_confusion_matrix
from evaluation.plots.precision_recall import PrecisionRecallDisplay, plot_precision_recall
from evaluation.plots.regression import ScatterDisplay, plot_predicted, plot_residuals
from evaluation.plots.rendering import render
from evaluation.plots.roc import RocDisplay, RocOverlayDisplay, RocPoint, plot_roc, plot_roc_overlay
from evaluation.plots.style import report_style, shorten

__all__ = [
    "CalibrationDisplay",
    "ConfusionMatrixDisplay",
    "DifferenceDisplay",
    "ForestDisplay",
    "PrecisionRecallDisplay",
    "RocDisplay",
    "RocOverlayDisplay",
    "RocPoint",
    "ScatterDisplay",
    "ScoreHistogramDisplay",
    "plot_calibration",
    "plot_confusion_matrix",
    "plot_difference",
    "plot_forest",
    "plot_precision_recall",
    "plot_predicted",
    "plot_residuals",
    "plot_roc",
    "plot_roc_overlay",
    "plot_score_histogram",
    "render",
    "report_style",
    "shorten",
]
