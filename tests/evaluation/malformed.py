"""Files of predictions that must be refused: valid files, each spoilt in one way, always the same ones."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

BINARY = "id,y_true,p_ill\nx1,ill,0.75\nx2,well,0.25\nx3,well,0.5\n"
SEVERAL = "id,y_true,group,weight,p_a,p_b,p_c\nx1,a,g,1,0.5,0.25,0.25\nx2,b,g,2,0,1,0\nx3,c,h,1,0.1,0.2,0.7\n"
NAMED = "y_true,cat,dog,pig\ncat,0.5,0.25,0.25\ndog,0.25,0.5,0.25\npig,0,0,1\n"
REGRESSION = "id,y_true,y_pred\nx1,1.5,2\nx2,2.5,2\nx3,3.5,4\n"
BASES = {"binary": BINARY, "several": SEVERAL, "named": NAMED, "regression": REGRESSION}

BAD_SCORES = ("nan", "inf", "-inf", "1.5", "-0.1", "high", "", " ", "NA", "1e999", "0,5", "50%", "1_0", "0x1", "True")
BAD_WEIGHTS = ("nan", "inf", "-1", "heavy", "", "null")
BAD_TRUTHS = ("", " ", "nan", "N/A", "None", "indeterminate")
BAD_NUMBERS = ("", "nan", "inf", "1e200", "-1e300", "many", "NULL")

TEXT_CHANGES: dict[str, Callable[[str], bytes]] = {
    "empty": lambda text: b"",
    "blank": lambda text: b"\n \n\t\n",
    "mark_only": lambda text: b"\xef\xbb\xbf",
    "header_only": lambda text: text.partition("\n")[0].encode(),
    "no_header": lambda text: text.partition("\n")[2].encode(),
    "semicolons": lambda text: text.replace(",", ";").encode(),
    "tabs": lambda text: text.replace(",", "\t").encode(),
    "bars": lambda text: text.replace(",", "|").encode(),
    "spaces": lambda text: text.replace(",", " ").encode(),
    "no_truth": lambda text: text.replace("y_true", "label").encode(),
    "upper_case_truth": lambda text: text.replace("y_true", "Y_TRUE").encode(),
    "utf16": lambda text: text.encode("utf-16"),
    "utf32": lambda text: text.encode("utf-32"),
    "latin1": lambda text: (text + "ä").encode("latin-1"),
    "nul": lambda text: text.replace("2", "\0").encode(),
    "long_first_row": lambda text: text.replace("\n", "\n9,", 2).encode(),
    "long_last_row": lambda text: (text.rstrip() + ",0.5,0.5\n").encode(),
    "open_quote": lambda text: (text + '"open,1\n').encode(),
    "blank_row": lambda text: text.replace("\n", "\n\n", 1).encode(),
    "duplicate_truth": lambda text: text.replace("y_true", "y_true,y_true").encode(),
    "truth_only": lambda text: b"y_true\n" + b"\n".join(line.split(b",")[0] for line in text.encode().split(b"\n")[1:]),
    "zip": lambda text: b"PK\x03\x04" + text.encode() + b"\xff",
    "gzip": lambda text: b"\x1f\x8b\x08" + text.encode(),
    "page": lambda text: b"<!DOCTYPE html>\n<html><body>404</body></html>\n",
    "json": lambda text: b'{"y_true": ["a", "b"], "p_a": [0.5, 0.5]}\n',
    "carriage_returns_in_header": lambda text: text.replace("y_true", '"y\r\ntrue"').encode(),
}


def malformed_files(folder: Path) -> list[Path]:
    """Writes the files.

    Args:
        folder: Takes them; must exist.

    Returns:
        Their paths, more than 200. Each must be refused in one line that names it.
    """
    written = []
    for name, content in (*_csv_files(), *_npz_files(), *_parquet_files()):
        path = folder / name
        assert not path.exists(), name
        path.write_bytes(content)
        written.append(path)
    return written


def _csv_files() -> Iterator[tuple[str, bytes]]:
    for base, text in BASES.items():
        for change, spoil in TEXT_CHANGES.items():
            yield f"{base}-{change}.csv", spoil(text)
    for base, column in (("binary", 2), ("several", 5), ("named", 1)):
        for index, value in enumerate(BAD_SCORES):
            yield f"{base}-score-{index}.csv", _with_cell(BASES[base], 2, column, value)
    for index, value in enumerate(BAD_WEIGHTS):
        yield f"weight-{index}.csv", _with_cell(SEVERAL, 3, 3, value)
    for base, column in (("binary", 1), ("several", 1)):
        for index, value in enumerate(BAD_TRUTHS):
            yield f"{base}-truth-{index}.csv", _with_cell(BASES[base], 3, column, value)
    for index, value in enumerate(BAD_NUMBERS):
        for column in (1, 2):
            yield f"regression-{index}-{column}.csv", _with_cell(REGRESSION, 1, column, value)
    yield "duplicate-id.csv", _with_cell(SEVERAL, 3, 0, "x1")
    yield "empty-id.csv", _with_cell(SEVERAL, 3, 0, "")
    yield "empty-group.csv", _with_cell(SEVERAL, 3, 2, " ")
    yield "unknown-label.csv", _with_cell(SEVERAL, 3, 1, "z")
    yield "third-label.csv", _with_cell(BINARY, 3, 1, "z")
    yield "two-classes.csv", b"y_true,p_a,p_b\na,0.5,0.5\n"
    yield "wrong-sum.csv", _with_cell(SEVERAL, 3, 6, "0.75")
    yield "two-weights.csv", b"y_true,p_a,weight,sample_weight\na,1,1,1\n"
    yield "zero-weights.csv", b"y_true,p_a,weight\na,1,0\na,0.5,0\n"
    yield "new\nline.csv", _with_cell(SEVERAL, 3, 1, "z")
    yield "line-in-label.csv", b'y_true,"p_a\nb",p_c,p_d\nz,1,0,0\n'
    for suffix in ("xlsx", "json", "npy", "pkl"):
        yield f"other.{suffix}", BINARY.encode()


def _with_cell(text: str, row: int, column: int, value: str) -> bytes:
    """The text with one cell replaced; row 0 is the header."""
    lines = text.splitlines()
    cells = lines[row].split(",")
    cells[column] = value
    return "\n".join([*lines[:row], ",".join(cells), *lines[row + 1 :], ""]).encode()


def npz(**arrays: object) -> bytes:
    """The content of an NPZ file."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _npz_files() -> Iterator[tuple[str, bytes]]:
    truth, score = np.array([0, 1, 2, 1]), np.array([[0.5, 0.25, 0.25], [0, 1, 0], [0, 0, 1], [0.25, 0.5, 0.25]])
    good = {"y_true": truth, "y_score": score, "labels": np.array(["a", "b", "c"])}
    for index, value in enumerate((np.nan, np.inf, -np.inf, -0.1, 1.5, 1e300)):
        spoilt = score.copy()
        spoilt[3, 1] = value
        yield f"score-{index}.npz", npz(**good | {"y_score": spoilt})
    changes: dict[str, dict[str, object]] = {
        "no_truth": {"y_true": None},
        "objects": {"y_true": np.array(["a", None, "b", "c"], dtype=object)},
        "object_labels": {"labels": np.array(["a", 1, "c"], dtype=object)},
        "short_score": {"y_score": score[:3]},
        "cube": {"y_score": score[:, :, None]},
        "no_columns": {"y_score": score[:, :0]},
        "scalar": {"y_score": np.float64(0.5)},
        "text_scores": {"y_score": score.astype(str) + np.array("x")},
        "complex_scores": {"y_score": score + 0j},
        "bool_scores": {"y_score": score > 0.3},
        "one_hot_truth": {"y_true": np.eye(3)[truth]},
        "unknown": {"y_true": np.array(["a", "b", "c", "z"])},
        "too_large": {"y_true": truth + 1},
        "negative": {"y_true": truth - 1},
        "nan_truth": {"y_true": np.array([0, 1, np.nan, 2])},
        "half_truth": {"y_true": truth + 0.5},
        "two_labels": {"labels": np.array(["a", "b"])},
        "same_labels": {"labels": np.array(["a", "b", "b"])},
        "label_table": {"labels": np.array([["a", "b", "c"]])},
        "sum": {"y_score": score * 0.9},
        "duplicate_id": {"id": np.array(["x", "y", "x", "z"])},
        "short_id": {"id": np.array(["x", "y"])},
        "empty_id": {"id": np.array(["x", "y", "", "z"])},
        "short_group": {"group": np.array(["x", "y"])},
        "empty_group": {"group": np.array(["x", "y", "", "z"])},
        "negative_weight": {"weight": np.array([1, 1, -1, 1.0])},
        "nan_weight": {"weight": np.array([1, 1, np.nan, 1.0])},
        "short_weight": {"weight": np.ones(3)},
        "zero_weight": {"weight": np.zeros(4)},
        "table_weight": {"weight": np.ones((4, 2))},
        "records": {"y_true": np.zeros(4, dtype=[("a", int)])},
        "empty_arrays": {"y_true": truth[:0], "y_score": score[:0]},
        "two_columns_unnamed": {"y_score": score[:, :2] * [0, 0] + 0.5, "labels": np.array(["a", "b"])},
        "names_without_labels": {"y_true": np.array(["a", "b", "a", "b"]), "labels": None, "y_score": score[:, 0]},
        "no_score": {"y_score": None},
        "regression_positive": {"y_score": None, "y_pred": np.array([1, np.nan, 2, 3.0])},
        "regression_text": {"y_score": None, "y_pred": np.array(["a", "b", "c", "d"])},
    }
    for name, change in changes.items():
        yield f"{name}.npz", npz(**{key: value for key, value in (good | change).items() if value is not None})
    content = npz(**good)
    for share in (0.1, 0.3, 0.5, 0.7, 0.9, 0.99):
        yield f"cut-{share}.npz", content[: int(share * len(content))]
    yield "empty.npz", b""
    yield "text.npz", BINARY.encode()
    yield "npy.npz", _npy(truth)
    yield "no_arrays.npz", npz()
    yield "no_header.npz", _zip({"y_true.npy": b"no array"})
    yield "huge.npz", _zip({"y_true.npy": _declared((2**40,)), "y_score.npy": _npy(score)})
    yield "overflowing.npz", _zip({"y_true.npy": _declared((2**40, 2**40)), "y_score.npy": _npy(score)})
    yield "negative_shape.npz", _zip({"y_true.npy": _declared((-1,)), "y_score.npy": _npy(score)})
    yield "more_declared.npz", _zip({"y_true.npy": _declared((1000,)), "y_score.npy": _npy(score)})
    yield "less_declared.npz", _zip({"y_true.npy": _declared((2,)), "y_score.npy": _npy(score)})
    yield "bad_header.npz", _zip({"y_true.npy": b"\x93NUMPY\x01\x00" + struct.pack("<H", 12) + b"{'descr': 1\n"})
    yield "code_header.npz", _zip({"y_true.npy": b"\x93NUMPY\x01\x00" + struct.pack("<H", 13) + b"__import__()\n"})
    yield "later_version.npz", _zip({"y_true.npy": b"\x93NUMPY\x09\x00" + _npy(truth)[8:]})


def _npy(array: np.ndarray) -> bytes:
    """The content of an NPY file."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _declared(shape: tuple[int, ...]) -> bytes:
    """An NPY file of four integers whose header declares another shape."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<i8", "fortran_order": False, "shape": shape})
    return buffer.getvalue() + np.array([0, 1, 2, 1], dtype="<i8").tobytes()


def _zip(members: dict[str, bytes]) -> bytes:
    """A ZIP archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def parquet(**columns: object) -> bytes:
    """The content of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def _parquet_files() -> Iterator[tuple[str, bytes]]:
    good = {"id": ["x1", "x2", "x3"], "y_true": ["ill", "well", "ill"], "p_ill": [0.9, 0.1, 0.5]}
    changes: dict[str, dict[str, object]] = {
        "nan": {"p_ill": [0.9, float("nan"), 0.5]},
        "null": {"p_ill": [0.9, None, 0.5]},
        "all_null": {"p_ill": [None, None, None]},
        "infinite": {"p_ill": [0.9, float("inf"), 0.5]},
        "outside": {"p_ill": [0.9, 2.0, 0.5]},
        "text": {"p_ill": ["a", "b", "c"]},
        "lists": {"p_ill": [[0.9], [0.1], [0.5]]},
        "booleans": {"p_ill": [True, False, True]},
        "null_truth": {"y_true": ["ill", None, "well"]},
        "list_truth": {"y_true": [["ill"], ["well"], ["ill"]]},
        "three_truths": {"y_true": ["ill", "well", "z"]},
        "duplicate_id": {"id": ["x", "y", "x"]},
        "null_id": {"id": ["x", None, "y"]},
        "list_id": {"id": [["x"], ["y"], ["z"]]},
        "null_group": {"group": ["a", None, "b"]},
        "list_group": {"group": [["a"], ["b"], ["b"]]},
        "null_weight": {"weight": [1.0, None, 1.0]},
        "negative_weight": {"weight": [1.0, -1.0, 1.0]},
        "text_weight": {"weight": ["a", "b", "c"]},
        "second_score": {"p_well": [0.9, 0.1, 0.9]},
        "no_rows": {"id": [], "y_true": [], "p_ill": []},
    }
    for name, change in changes.items():
        yield f"{name}.parquet", parquet(**good | change)
    yield "no_truth.parquet", parquet(p_ill=[0.5])
    yield "no_score.parquet", parquet(y_true=["a"])
    content = parquet(**good)
    for share in (0.0, 0.2, 0.5, 0.8, 0.99):
        yield f"cut-{share}.parquet", content[: int(share * len(content))]
    yield "plain_text.parquet", BINARY.encode()
    yield "magic_only.parquet", b"PAR1PAR1"
    yield "spoilt_footer.parquet", content[:-60] + bytes(40) + content[-20:]
    yield "long_footer.parquet", content[:-8] + struct.pack("<I", 2**31 - 1) + b"PAR1"
