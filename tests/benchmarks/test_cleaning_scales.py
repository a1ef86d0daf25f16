"""Candidates of tomograms on several scales: what is changed, and rows that are computed once."""

import sys

import numpy as np
import pytest


@pytest.fixture
def scales(benchmark):
    return benchmark("scales")


@pytest.fixture
def candidates(benchmark):
    rng = np.random.default_rng(0)
    is_true = np.arange(60) % 3 == 0
    return benchmark("_candidates").Candidates(
        rng.normal(size=(60, 6, 6, 6)).astype(np.float32),
        is_true,
        is_true + 0.1 * rng.normal(size=60),
        np.zeros((60, 3)),
        1.0,
    )


def test_scales(scales, candidates):
    rng = np.random.default_rng(0)
    assert scales.on_scale(candidates, "one", 0, rng) is candidates
    moved = scales.on_scale(candidates, "several", 0, rng)
    assert np.corrcoef(moved.scores, candidates.scores)[0, 1] == pytest.approx(1)
    assert not np.allclose(moved.scores, candidates.scores)
    # Seven in ten of the 20 true ones, or of the 40 false ones.
    for part, counts in enumerate([(6, 40), (20, 12)]):
        some = scales.on_scale(candidates, "shares", part, rng)
        assert (some.is_true.sum(), (~some.is_true).sum()) == counts
        assert len(some.X) == len(some.scores) == sum(counts)


def test_rows(scales, candidates, monkeypatch, tmp_path, capsys):
    asked = []

    def made(specimen, source, number, cache):
        asked.append(number)
        return candidates._replace(scores=candidates.scores + number)

    monkeypatch.setattr(scales, "made", made)
    path = tmp_path / "cleaning_scales.csv"
    arguments = ["scales.py", "--results", str(path), "--seeds", "2", "--sources", "dog"]
    monkeypatch.setattr(sys, "argv", [*arguments, "--scales", "one", "--methods", "score"])
    scales.main()
    assert asked == [4, 5, 0, 1] * 2
    rows = scales.read_rows(path)
    assert [row["by_tomogram"] for row in rows] == ["no", "yes"]
    # The tomograms' offsets hide much of what the scores say, unless they are taken off.
    assert float(rows[0]["average_precision"]) < 0.9
    assert float(rows[1]["average_precision"]) > 0.95
    assert {row["n_candidates"] for row in rows} == {"120"}
    assert [row["fit_warned"] for row in rows] == ["1", ""]
    # Others are about 0 and 1 instead of 4 and 5.
    assert [row["predict_warned"] for row in rows] == ["1", "0"]
    table = path.with_suffix(".md").read_text()
    assert "| one | Blobs | score | no |" in table
    assert "| 1 of 1 | 1 of 1 |" in table
    assert "| - | 0 of 1 |" in table
    scales.main()
    assert len(asked) == 8
    capsys.readouterr()
