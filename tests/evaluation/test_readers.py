"""Readers' files and refusals, their points, and the model against their mean."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import f as f_distribution
from sklearn.metrics import roc_auc_score

from evaluation.predictions import Predictions, PredictionsError
from evaluation.studies.readers import Readers, compare_with_readers, read_readers
from evaluation.uncertainty.intervals import IntervalSettings, proportion
from tests.evaluation.samples import binary, ids, several

SETTINGS = IntervalSettings(replicates=200)


def small():
    """Four examples called case-0 … case-3, of which the last two are malignant."""
    score = np.array([0.1, 0.4, 0.35, 0.8])
    truth = np.array([0, 0, 1, 1])
    return Predictions(ids(4), truth, np.column_stack([1 - score, score]), ("benign", "malignant"), "malignant")


def write(tmp_path, text):
    """A file of readings."""
    path = tmp_path / "readers.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("positive", "negative"), [("malignant", "benign"), ("1", "0"), ("1.0", "0.0"), (" malignant ", "benign")]
)
def test_decisions_are_class_names_or_0_and_1(tmp_path, positive, negative):
    text = f"reader,id,decision\nA,case-1,{positive}\nB,case-0,{negative}\nA,case-0,{negative}\nB, case-1,{negative}\n"
    found = read_readers(write(tmp_path, text), small())
    assert (found.kind, found.names) == ("decision", ("A", "B"))
    np.testing.assert_array_equal(found.readings, [[0, 1, np.nan, np.nan], [0, 0, np.nan, np.nan]])


def test_classes_that_are_numbers_are_read_as_names(tmp_path):
    predictions = replace(small(), labels=("1", "0"), positive="0")
    found = read_readers(write(tmp_path, "reader,id,decision\nA,case-0,0\nA,case-1,1\n"), predictions)
    np.testing.assert_array_equal(found.readings, [[1, 0, np.nan, np.nan]])


def test_ratings_are_numbers_and_other_columns_are_named_in_a_note(tmp_path):
    text = "id,reader,rating,seconds\ncase-3,A,4,10\n\ncase-2,A,-1.5,12\n"
    found = read_readers(write(tmp_path, text), small())
    np.testing.assert_array_equal(found.readings, [[np.nan, np.nan, -1.5, 4]])
    assert (found.kind, found.notes) == ("rating", ("Readers' file: ignored the columns seconds.",))


HEAD = "reader,id,decision\nA,case-0,benign\n"
REFUSALS = [
    ("", ": the file is empty. Expected a header line and one row per reading"),
    ("reader,id,decision\n", ": the file has a header and no rows. Expected one row per reading"),
    ("reader;id;decision\nA;1;0\n", ", row 1: columns are separated by ';'; expected commas. Save it as CSV"),
    ("reader\tid\trating\nA\t1\t0\n", ", row 1: columns are separated by tabs; expected commas. Save it as CSV"),
    ("reader,id,id,rating\nA,1,1,0\n", ", row 1: duplicate column 'id'. Give every column its own name"),
    (
        "name,id,rating\nA,1,0\n",
        ", row 1: column reader is missing. Expected reader,id,decision or reader,id,rating. Found: name, id, rating",
    ),
    (
        "reader,id,score\nA,1,0\n",
        ", row 1: column decision or rating is missing. Expected reader,id,decision (a class) or reader,id,rating (a "
        "number). Found: reader, id, score",
    ),
    (
        "reader,id,rating,decision\nA,1,0,0\n",
        ", row 1: both decision and rating. Give one file for each, and evaluate both",
    ),
    (HEAD + "A,case-1\n", ", row 3: 2 cells under a header of 3 columns. Give every row as many as the header"),
    (HEAD + 'A,case-1,"benign\n', ", row 3: not a table: unexpected end of data"),
    (HEAD + "A,,benign\n", ", row 3, column id: the cell is empty. Fill it or remove the row"),
    (HEAD + " ,case-1,benign\n", ", row 3, column reader: the cell is empty. Fill it or remove the row"),
    (
        HEAD + "A,case-9,benign\n",
        ", row 3, column id: received 'case-9', which no example of the predictions has; check the ids",
    ),
    (
        HEAD + "A,case-1,malign\n",
        ", row 3, column decision: received 'malign', which is an unknown class; expected 'benign' or 'malignant', or "
        "only 0 and 1",
    ),
    (
        HEAD + "A,case-1,1\n",
        ", row 3, column decision: received '1', which is an unknown class; expected 'benign' or 'malignant', or only "
        "0 and 1",
    ),
    (
        HEAD + "B,case-0,benign\nA,case-0,malignant\n",
        ", row 4, column id: received 'case-0', which reader 'A' already read in row 2. Keep one",
    ),
    (
        "reader,id,rating\nA,case-0,high\n",
        ", row 2, column rating: received 'high', which is not a number; expected a finite number",
    ),
    (
        "reader,id,rating\nA,case-0,1_5\n",
        ", row 2, column rating: received '1_5', which is not a number; expected a finite number",
    ),
    (
        "reader,id,rating\nA,case-0,NaN\n",
        ", row 2, column rating: received 'NaN', which is NaN; expected a finite number",
    ),
    (
        "reader,id,rating\nA,case-0,-inf\n",
        ", row 2, column rating: received '-inf', which is infinite; expected a finite number",
    ),
    (b"reader,id,rating\nA,case-0,\xff\n", ", row 2: not UTF-8 (byte 0xff). Save the file as CSV in UTF-8"),
    (b"reader,id,rating\nA,case-0,\0\n", ": holds a NUL byte, so it is not text. Save it as CSV in UTF-8"),
]


@pytest.mark.parametrize(("text", "message"), REFUSALS)
def test_files_that_cannot_be_used_are_refused_by_file_row_column_and_value(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(PredictionsError) as error:
        read_readers(path, small())
    assert str(error.value) == f"{path}{message}"


@given(st.lists(st.sampled_from([*"ABc,;\n\"'_-\r\t01. ", "case-0", "case-3", "1e999", "benign", "\ufeff", "é"])))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("kind", ["decision", "rating"])
def test_any_text_is_read_or_refused_in_one_line(tmp_path, kind, pieces):
    path = write(tmp_path, f"reader,id,{kind}\n" + "".join(pieces))
    try:
        found = read_readers(path, small())
    except PredictionsError as error:
        assert str(error).startswith(str(path)) and "\n" not in str(error)
    else:
        assert np.isfinite(found.readings).any()


def test_missing_files_folders_and_several_classes_are_refused(tmp_path):
    for path, predictions, message in (
        (tmp_path / "none.csv", small(), "no such file. Expected a CSV file of readings; check the path"),
        (tmp_path, small(), "is a folder. Expected a CSV file of readings"),
        (write(tmp_path, HEAD), several(), "readers are compared on two classes, one of them positive."),
    ):
        with pytest.raises(PredictionsError) as error:
            read_readers(path, predictions)
        assert str(error.value).startswith(f"{path}: {message}")


def study(readers=4, n=80, *, rated=False, groups=None):
    """A model and readers of differing skill."""
    predictions = replace(binary(n, seed=3), groups=groups)
    rng = np.random.default_rng(4)
    skill = rng.uniform(0.8, 1.6, (readers, 1))
    rating = skill * predictions.y_true + 0.5 * rng.normal(size=n) + rng.normal(size=(readers, n))
    readings = rating.round(1) if rated else (rating > 0.6).astype(float)
    names = tuple(f"reader {index}" for index in range(readers))
    return predictions, Readers("rating" if rated else "decision", names, readings)


def test_every_reader_is_a_point_with_wilsons_intervals():
    predictions, readers = study()
    found = compare_with_readers(predictions, readers, settings=SETTINGS)
    positive = predictions.y_true == 1
    for point, row in zip(found.readers, readers.readings, strict=True):
        assert point.sensitivity == proportion(int((row[positive] == 1).sum()), int(positive.sum()))
        assert point.specificity == proportion(int((row[~positive] == 0).sum()), int((~positive).sum()))
        assert (point.n, point.auc) == (80, None)
    mean = np.mean([point.sensitivity.value for point in found.readers])
    assert found.mean.sensitivity.value == pytest.approx(mean)
    assert found.mean.sensitivity.method == "obuchowski-rockette"


def test_the_model_at_the_readers_mean_rates_follows_the_roc_and_has_an_interval():
    predictions, readers = study()
    found = compare_with_readers(predictions, readers, settings=SETTINGS)
    positive, score = predictions.y_true == 1, predictions.y_score[:, 1]
    rates = [((score[positive] >= t).mean(), (score[~positive] < t).mean()) for t in [*score, 2]]
    mean = found.mean
    at_specificity = found.model_at_readers.sensitivity_at_specificity
    assert at_specificity.value == max(se for se, sp in rates if sp >= mean.specificity.value)
    assert at_specificity.numerator == at_specificity.value * positive.sum()
    at_sensitivity = found.model_at_readers.specificity_at_sensitivity
    assert at_sensitivity.value == pytest.approx(max(sp for se, sp in rates if se >= mean.sensitivity.value))
    for estimate in (at_specificity, at_sensitivity):
        assert estimate.low <= estimate.value <= estimate.high
        assert estimate.method == "bootstrap"


def test_decisions_are_analysed_as_obuchowski_and_rockette_with_jackknife_covariances():
    predictions, readers = study()
    found = {one.measure: one for one in compare_with_readers(predictions, readers, settings=SETTINGS).analysis}
    positive = predictions.y_true == 1
    right = (predictions.y_pred[positive] - readers.readings[:, positive]).T
    psi, n = right.mean(axis=0), int(positive.sum())
    cov2 = np.cov(right.T)[~np.eye(4, dtype=bool)].mean() / n
    total = psi.var(ddof=1) + 4 * max(cov2, 0)
    df, statistic = 3 * (total / psi.var(ddof=1)) ** 2, 4 * psi.mean() ** 2 / total
    test = found["sensitivity"]
    assert (test.df, test.statistic) == pytest.approx((df, statistic))
    assert test.p == pytest.approx(f_distribution.sf(statistic, 1, df))
    assert test.difference.value == pytest.approx(psi.mean())
    assert test.model - test.readers == pytest.approx(psi.mean())
    assert test.difference.low < test.difference.value < test.difference.high
    assert list(found) == ["sensitivity", "specificity"]


@pytest.mark.parametrize("rated", [False, True])
def test_the_bootstrap_over_readers_and_cases_agrees_with_the_analysis(rated):
    predictions, readers = study(8, 300, rated=rated)
    for test in compare_with_readers(predictions, readers, settings=IntervalSettings()).analysis:
        width = test.difference.high - test.difference.low
        assert test.bootstrap[0] == pytest.approx(test.difference.low, abs=0.2 * width)
        assert test.bootstrap[1] == pytest.approx(test.difference.high, abs=0.2 * width)


def test_ratings_are_analysed_by_their_areas():
    predictions, readers = study(rated=True)
    found = compare_with_readers(predictions, readers, settings=SETTINGS)
    areas = [roc_auc_score(predictions.y_true, row) for row in readers.readings]
    assert [point.auc.value for point in found.readers] == pytest.approx(areas)
    (test,) = found.analysis
    assert test.model == pytest.approx(roc_auc_score(predictions.y_true, predictions.y_score[:, 1]))
    assert (test.measure, test.readers) == ("auc", pytest.approx(np.mean(areas)))
    assert found.mean.auc.value == pytest.approx(np.mean(areas))
    assert (found.mean.sensitivity.reason, found.model_at_readers) == ("readers gave ratings, no decisions", None)


def test_unread_examples_are_left_out_and_incomplete_reading_is_counted():
    predictions, readers = study()
    readings = readers.readings.copy()
    readings[:, 70:] = np.nan
    readings[1, :10] = np.nan
    found = compare_with_readers(predictions, replace(readers, readings=readings), settings=SETTINGS)
    assert [point.n for point in found.readers] == [70, 60, 70, 70]
    assert found.notes[:2] == (
        "Readers read 70 of the 80 examples; here the model is judged on these alone.",
        "Not every reader read every case: of 70, reader 1 60. Each reader's numbers are on the cases read; the "
        "analysis of readers and cases uses the 60 that all of them read.",
    )
    mine = slice(10, 70)
    whole = Predictions(
        predictions.ids[mine], predictions.y_true[mine], predictions.y_score[mine], predictions.labels, "malignant"
    )
    alone = compare_with_readers(whole, replace(readers, readings=readings[:, mine]), settings=SETTINGS)
    assert found.analysis == alone.analysis
    assert found.mean.sensitivity.method == "bootstrap"


def test_too_few_common_cases_give_the_reason_instead_of_an_analysis():
    predictions, readers = study(2)
    readings = readers.readings.copy()
    readings[0, :70], readings[1, 60:] = np.nan, np.nan
    found = compare_with_readers(predictions, replace(readers, readings=readings), settings=SETTINGS)
    reason = "all readers read 0 positives and 0 negatives; the analysis needs 10 of each"
    assert [(test.p, test.note) for test in found.analysis] == [(None, f"no analysis: {reason}")] * 2
    assert found.mean.sensitivity.value is not None


def test_a_single_reader_is_a_point_without_analysis():
    predictions, readers = study(1)
    found = compare_with_readers(predictions, readers, settings=SETTINGS)
    assert found.analysis == ()
    assert found.mean.sensitivity == found.readers[0].sensitivity
    assert found.model_at_readers.sensitivity_at_specificity.note == "no interval: a single reader"
    assert "A single reader cannot stand for readers in general: shown as a point, without analysis." in found.notes


def test_readers_who_all_decide_alike_have_no_test_and_the_reason():
    predictions, readers = study(3)
    same = replace(readers, readings=np.tile(readers.readings[:1], (3, 1)))
    for test in compare_with_readers(predictions, same, settings=SETTINGS).analysis:
        assert (test.p, test.note) == (None, "all readers have the same value: no spread to test against")
        assert test.difference.note == f"no interval: {test.note}"


def test_groups_are_resampled_and_summed():
    predictions, readers = study()
    own = compare_with_readers(replace(predictions, groups=np.arange(80)), readers, settings=SETTINGS)
    plain = compare_with_readers(predictions, readers, settings=SETTINGS)
    assert [test.p for test in own.analysis] == pytest.approx([test.p for test in plain.analysis])
    assert own.model_at_readers.sensitivity_at_specificity.method == "cluster-bootstrap"
    twice = replace(readers, readings=np.tile(readers.readings, 2))
    doubled = Predictions(
        ids(160),
        np.tile(predictions.y_true, 2),
        np.tile(predictions.y_score, (2, 1)),
        predictions.labels,
        "malignant",
        np.tile(np.arange(80), 2),
    )
    grouped = compare_with_readers(doubled, twice, settings=SETTINGS)
    assert [test.p for test in grouped.analysis] == pytest.approx([test.p for test in plain.analysis])
    assert any("draw groups" in note for note in grouped.notes)


def test_one_kind_of_case_leaves_the_other_rate_undefined():
    predictions, readers = study()
    only = replace(predictions, y_true=np.ones(80, dtype=np.int64))
    found = compare_with_readers(only, readers, settings=SETTINGS)
    assert (found.mean.specificity.value, found.mean.specificity.reason) == (None, "no negative examples")
    assert found.model_at_readers is None


def test_readings_of_other_predictions_are_refused():
    predictions, readers = study()
    with pytest.raises(PredictionsError, match="readings must be"):
        compare_with_readers(binary(79), readers, settings=SETTINGS)
