"""Geometry of the real microtubules, templates, and the table and picture of their candidates."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from sksubtomo.io import write_mrc


@pytest.fixture
def real(benchmark):
    return benchmark("real")


def test_distances_to_axis(real, monkeypatch):
    # Marked on a line that is inclined in z and x, and elsewhere.
    y = np.linspace(0, 100, 30)
    axis = np.column_stack([10 + 0.1 * y, y, 20 + 0.5 * y])
    table = SimpleNamespace(
        coordinates=np.vstack([axis, axis + 30]),
        class_numbers=np.repeat([1, 2], 30),
        tomogram_names=np.full(60, "13pf_MT"),
    )
    monkeypatch.setattr(real, "read_particles", lambda _: table)
    direction = np.array([0.1, 1.0, 0.5]) / np.linalg.norm([0.1, 1.0, 0.5])
    across = np.cross(direction, [1.0, 0.0, 0.0])
    across /= np.linalg.norm(across)
    places = axis[10] + np.array([0.0, 3.0, 12.0])[:, np.newaxis] * across
    np.testing.assert_allclose(
        real.distances_to_axis("13pf_MT", places),
        real.VOXEL * np.array([0.0, 3.0, 12.0]),
        atol=0.5,  # of the steps along the axis, 0.1 voxels
    )


def test_templates(real):
    tube = real.tube(28)
    radius = real.VOXEL * np.hypot(*np.meshgrid(np.arange(28) - 14, np.arange(28) - 14))
    assert tube[14][radius < 40].max() < 0.05 < 0.8 < tube[14][np.abs(radius - 105) < 5].min()
    half = real.half_of(tube)
    assert half[:, :, 18:].sum() < 0.05 * half[:, :, :10].sum()


def test_table_and_picture(real, monkeypatch, tmp_path, capsys):
    rng = np.random.default_rng(0)
    is_true = np.arange(60) % 3 == 0
    candidates = real.Candidates(
        rng.normal(size=(60, 6, 6, 6)).astype(np.float32),
        is_true,
        is_true + 0.1 * rng.normal(size=60),
        rng.uniform(0, 30, size=(60, 3)),
        None,
    )
    monkeypatch.setattr(real, "make_candidates", lambda *_: candidates)
    monkeypatch.setattr(real, "folder", lambda: tmp_path)
    path = tmp_path / "cleaning_real.csv"
    arguments = ["real.py", "--results", str(path), "--sources", "blobs", "--methods", "score"]
    monkeypatch.setattr(sys, "argv", [*arguments, "--seeds", "0"])
    real.main()
    assert len(path.read_text().splitlines()) == 3
    table = path.with_suffix(".md").read_text()
    assert "| blobs | 60, 60 | 0.33, 0.33 | score | 2 | 50, 18 | 1.000 ± 0.000 |" in table
    assert path.with_suffix(".png").exists()
    whole = path.read_text()
    real.main()
    assert path.read_text() == whole
    # Without the data, what is there is rendered.
    monkeypatch.setattr(real, "folder", lambda: tmp_path / "none")
    real.main()
    assert "SKSUBTOMO_SHARED_DATA" in capsys.readouterr().out


def test_picture_of_what_cannot_be_judged(real, monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    monkeypatch.setattr(real, "folder", lambda: tmp_path / "microtubules")
    real.draw_others(tmp_path / "cleaning_real.csv")
    picture = tmp_path / "cleaning_real_others.png"
    assert not picture.exists()
    for name, shape in (
        ("tomogram_crop_23A.mrc", (60, 20, 10)),
        ("membrane_crop_20A.rec", (8,) * 3),
    ):
        volume = rng.normal(size=shape).astype(np.float32)
        write_mrc(tmp_path / name, volume, voxel_size_angstrom=20.0)
    real.draw_others(tmp_path / "cleaning_real.csv")
    assert picture.exists()
