"""No file of predictions, however spoilt, gives anything but predictions or one clear line."""

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluation.predictions import Predictions, PredictionsError, RegressionPredictions, read_predictions
from tests.evaluation.malformed import BASES, malformed_files, npz, parquet

quick = settings(
    max_examples=70, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


def test_two_hundred_malformed_files_are_refused_in_one_line_each(tmp_path):
    paths = malformed_files(tmp_path)
    wrong = []
    for path in paths:
        try:
            wrong.append((path.name, read_predictions(path)))
        except PredictionsError as error:
            lines = str(error).splitlines()
            if len(lines) != 1 or " ".join(path.name.split()) not in lines[0] or len(lines[0]) > 600:
                wrong.append((path.name, str(error)))
    assert len(paths) >= 200 and wrong == []


def spoilt_or_read(path, content, **options):
    """Whether the content was read; anything but predictions or a refusal in one line fails."""
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found = read_predictions(path, **options)
        except PredictionsError as error:
            assert str(error).splitlines() == [str(error)] and str(path) in str(error)
            return False
    assert isinstance(found, (Predictions, RegressionPredictions)) and len(found) > 0
    return True


@quick
@given(content=st.binary(max_size=200), suffix=st.sampled_from(["csv", "npz", "parquet"]))
def test_random_bytes_are_refused(tmp_path, content, suffix):
    assert not spoilt_or_read(tmp_path / f"random.{suffix}", content)


@quick
@given(
    rows=st.lists(
        st.lists(st.sampled_from(["0.5", "1", "a", "ill", "", "nan", '"', "é", "-0", "1e5", "\r", "0 "]), max_size=5),
        max_size=5,
    ),
    header=st.sampled_from(
        [text.partition("\n")[0] for text in BASES.values()] + ["y_true,score,y_pred", "y_true,1,0"]
    ),
    positive=st.sampled_from([None, "ill", "1"]),
)
def test_random_cells_are_read_or_refused(tmp_path, rows, header, positive):
    text = "\n".join([header, *map(",".join, rows)])
    spoilt_or_read(tmp_path / "cells.csv", text.encode(), positive=positive)


VALID = {
    "csv": BASES["several"].encode(),
    "npz": npz(y_true=np.array([0, 1, 1]), y_score=np.array([0.1, 0.7, 0.4]), site=np.array(["a", "b", "b"])),
    "parquet": parquet(id=["x", "y", "z"], y_true=["ill", "well", "ill"], p_ill=[0.9, 0.1, 0.5], age=[1, None, 3]),
}


@pytest.mark.parametrize("suffix", VALID)
def test_the_files_that_are_mutated_below_are_valid(tmp_path, suffix):
    assert spoilt_or_read(tmp_path / f"valid.{suffix}", VALID[suffix])


@quick
@given(data=st.data(), suffix=st.sampled_from(sorted(VALID)))
def test_mutated_and_cut_files_are_read_or_refused(tmp_path, data, suffix):
    content = bytearray(VALID[suffix])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.just(len(content)) | st.integers(0, len(content)))
    spoilt_or_read(tmp_path / f"mutated.{suffix}", bytes(content[:end]))


def test_a_parquet_file_that_declares_too_much_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("evaluation.reading.parquet_file.LARGEST_TABLE", 90)
    monkeypatch.setattr("pyarrow.parquet.ParquetFile.read", None)
    (tmp_path / "a.parquet").write_bytes(VALID["parquet"])
    with pytest.raises(PredictionsError) as error:
        read_predictions(tmp_path / "a.parquet")
    assert str(error.value).endswith(
        "a.parquet: declares 3 rows of 4 columns; expected at most 16 GiB of numbers. "
        "Keep only the columns of the predictions"
    )


def test_a_file_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    def denied(path):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.csv").write_bytes(VALID["csv"])
    monkeypatch.setattr("pathlib.Path.read_bytes", denied)
    with pytest.raises(PredictionsError) as error:
        read_predictions(tmp_path / "a.csv")
    assert str(error.value) == f"{tmp_path / 'a.csv'}: cannot be read: Permission denied"
