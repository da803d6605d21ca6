"""The study of cuts: who starts from whom, what is trained again, and what its table says."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest

from transfer.studies import cuts, drawing, nets, tables
from transfer.studies.config import StudyConfig
from transfer.studies.cuts import Net


@pytest.fixture
def trained(monkeypatch, ten_classes) -> list[tuple]:
    """Replaces data and training; every entry is (task, path, further arguments) of one network."""
    calls: list[tuple] = []

    def fresh(task, path=None):
        calls.append((task, path, {}))
        path.write_bytes(str(task.train.ids[0]).encode())
        from evaluation.files import sha256

        return {"accuracy": 0.6, "seconds": 1.0, "trainable": 9, "sha256": sha256(path)}

    def start_from(task, path, **how):
        calls.append((task, path, how))
        return {"accuracy": 0.5 if how["frozen"] else 0.7, "seconds": 1.0, "trainable": 9}

    monkeypatch.setattr(nets, "train_fresh", fresh)
    monkeypatch.setattr(nets, "train_from", start_from)
    monkeypatch.setattr(cuts, "_load", lambda config: ten_classes)
    return calls


def config(tmp_path, **settings) -> StudyConfig:
    return StudyConfig(seeds=2, images_per_class=5, epochs=2, state=str(tmp_path), **settings)


def test_the_halves_share_no_class_and_differ_from_seed_to_seed():
    found = [cuts.halves(10, seed) for seed in range(1, 6)]
    assert all(sorted(a + b) == list(range(10)) and len(a) == 5 for a, b in found)
    assert len({tuple(a) for a, _ in found}) == 5


def test_every_network_learns_b_from_the_base_that_its_name_says(tmp_path, at_once, trained):
    rows = cuts.run(config(tmp_path), at_once)
    assert len(rows) == len(trained) == 2 * (2 + 4 * 4)
    first = trained[:18]
    (a, path_a, _), (b, path_b, _) = first[:2]
    assert not {*a.train.ids} & {*b.train.ids} and len(b.train) == 25 and sorted(set(b.train.y)) == [0, 1, 2, 3, 4]
    expected = sorted(
        (path.name, layer, frozen) for path in (path_a, path_b) for layer in cuts.LAYERS for frozen in (True, False)
    )
    assert sorted((path.name, how["layer_name"], how["frozen"]) for _, path, how in first[2:]) == expected
    assert {tuple(task.train.ids) for task, *_ in first[2:]} == {tuple(b.train.ids)}
    assert {task.seed for task, *_ in first[2:]} == {1001}
    assert b.recipe.steps == 2 * 1 and {task.recipe for task, *_ in trained} == {b.recipe}


def test_names_say_kind_and_cut():
    assert [net.name for net in cuts.transfers(3)[:2]] == ["seed 3, A1B+", "seed 3, A2B+"]
    assert Net(3, "BnB", 4).name == "seed 3, B4B" and Net(3, "base A").name == "seed 3, base A"


def test_a_study_that_was_cut_goes_on_and_a_lost_base_is_trained_again(tmp_path, at_once, trained):
    cuts.run(config(tmp_path), at_once)
    trained.clear()
    cuts.run(config(tmp_path), at_once)
    assert trained == []
    ledger = next(tmp_path.glob("cuts-*.jsonl"))
    kept = [line for line in ledger.read_text(encoding="utf-8").splitlines(True) if "seed 2, A3B+" not in line]
    ledger.write_text("".join(kept), encoding="utf-8")
    lost = next(tmp_path.glob("*-2-B.npz"))
    lost.unlink()
    cuts.run(config(tmp_path), at_once)
    assert [path.name[-7:] for _, path, _ in trained] == ["2-B.npz", "2-A.npz"] and lost.exists()


def test_the_table_has_differences_within_seeds(tmp_path, at_once, trained):
    rows = cuts.run(config(tmp_path), at_once)
    text = tables.cuts_markdown(rows, config(tmp_path))
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert lines[2][:2] == ["0: base B", "60.0 (60.0–60.0)"] and lines[3][:2] == ["1: conv1_pool", "50.0 (50.0–50.0)"]
    low, high = "**−10.0 (−10.0 to −10.0)**", "**+10.0 (+10.0 to +10.0)**"
    none = "+0.0 (+0.0 to +0.0)"
    assert lines[9] == ["1: conv1_pool", low, low, high, high, none, none]
    assert "36 networks" in text and tables.csv_text([{"a": 1, "b": "x, y"}]) == 'a,b\n1,"x, y"\n'


def test_a_band_is_drawn_at_the_means_and_their_intervals():
    ax = matplotlib.figure.Figure().add_subplot()
    drawing._band(ax, {1: [0.4, 0.6], 2: [0.7]}, drawing.CUT_LOOKS["AnB"])
    assert ax.lines[0].get_ydata().tolist() == pytest.approx([50, 70])
    edges = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert edges.min() == pytest.approx(50 - 12.7062 * 10, abs=1e-2) and edges.max() == pytest.approx(
        50 + 127.062, abs=1e-2
    )


def test_the_figure_names_every_kind_and_cut(monkeypatch):
    shown = {}
    monkeypatch.setattr(drawing, "render", lambda figure: shown.update(figure=figure) or (b"png", b"svg"))
    curves = {kind: {cut: [0.5, 0.6] for cut in (1, 2)} for kind in cuts.KINDS}
    bases = {"base A": [0.8, 0.9], "base B": [0.5, 0.55]}
    assert drawing.draw_cuts(curves, bases, layers=("conv1", "hidden")) == b"png"
    left, right = shown["figure"].axes
    assert [text.get_text() for text in left.get_xticklabels()] == ["0\nbase B", "1\nconv1", "2\nhidden"]
    assert [text.get_text()[:4] for text in shown["figure"].legends[0].get_texts()] == ["AnB:", "BnB:", "AnB+", "BnB+"]
    assert [text.get_text() for text in left.texts] == ["base B", "base A, on its own classes"]
    assert [text.get_position()[1] for text in left.texts] == pytest.approx([52.5, 85])
    np.testing.assert_allclose(right.lines[0].get_ydata(), [0, 2.5, 2.5])
