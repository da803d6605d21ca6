"""What a cut prediction keeps."""

import numpy as np
import pytest

from training.predict.journal import BAD, SCORES, Begun, Journal, read_begun
from training.run import RunError

BEGUN = Begun({"images": ["photos"]}, "model", "inputs", 10, 3)
FIRST, SECOND = np.arange(12.0).reshape(4, 3), np.arange(6.0).reshape(2, 3)


def filled(folder):
    journal = Journal(folder, BEGUN)
    journal.append(FIRST, {2: "truncated"})
    journal.append(SECOND, {0: 'a "quoted", reason'})
    return journal


def test_a_journal_goes_on_where_it_was(tmp_path):
    filled(tmp_path)
    again = Journal(tmp_path, BEGUN)
    assert again.done == 6 and again.bad == {2: "truncated", 4: 'a "quoted", reason'}
    np.testing.assert_array_equal(again.scores(), np.vstack([FIRST, SECOND]))
    assert read_begun(tmp_path) == BEGUN


@pytest.mark.parametrize("size", range(0, 145, 7))
def test_a_torn_end_costs_no_more_than_the_torn_rows(tmp_path, size):
    filled(tmp_path)
    whole = (tmp_path / SCORES).read_bytes()
    (tmp_path / SCORES).write_bytes(whole[:size])
    again = Journal(tmp_path, BEGUN)
    assert again.done == size // 24 and set(again.bad) == {row for row in (2, 4) if row < again.done}
    again.append(np.vstack([FIRST, SECOND])[again.done :], {})
    np.testing.assert_array_equal(again.scores(), np.vstack([FIRST, SECOND]))


def test_a_torn_reason_belongs_to_scores_that_were_never_written(tmp_path):
    filled(tmp_path)
    (tmp_path / SCORES).write_bytes((tmp_path / SCORES).read_bytes()[: 4 * 24])
    (tmp_path / BAD).write_bytes((tmp_path / BAD).read_bytes()[:-9])
    assert Journal(tmp_path, BEGUN).bad == {2: "truncated"}


@pytest.mark.parametrize(
    ("change", "words"), [({"model_digest": "b"}, "another model"), ({"num_files": 11}, "10 then, 11 now")]
)
def test_another_model_or_other_files_are_refused(tmp_path, change, words):
    import dataclasses

    filled(tmp_path)
    with pytest.raises(RunError, match=words):
        Journal(tmp_path, dataclasses.replace(BEGUN, **change))


def test_a_folder_without_a_prediction_is_said(tmp_path):
    with pytest.raises(RunError, match="holds no prediction that could go on"):
        read_begun(tmp_path)
