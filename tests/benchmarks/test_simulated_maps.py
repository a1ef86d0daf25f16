import numpy as np
import pytest


@pytest.fixture
def simulated_maps(benchmark):
    return benchmark("_simulated_maps")


def test_missing_maps_are_named(simulated_maps, monkeypatch, tmp_path):
    monkeypatch.setenv("SKSUBTOMO_SHARED_DATA", str(tmp_path))
    with pytest.raises(SystemExit, match="No density_maps_10A in .*SKSUBTOMO_SHARED_DATA"):
        simulated_maps.load_maps()


def test_volumes_of_eight_complexes(shared_data, simulated_maps, monkeypatch):
    monkeypatch.setenv("SKSUBTOMO_SHARED_DATA", str(shared_data))
    maps = simulated_maps.load_maps()
    assert len(maps) == 8
    for density in maps.values():
        off = np.indices(density.shape).T - np.array(density.shape) // 2
        # A shift along all axes leaves the box's sphere, but not the box.
        assert np.linalg.norm(off[density.T > 0], axis=1).max() + 2 <= 28 // 2
    data = simulated_maps.make_volumes(8, 0.1, 0)
    assert data.X.shape == (8, 28, 28, 28)
    assert sorted(data.y) == list(range(8))
    assert data.X.tobytes() == simulated_maps.make_volumes(8, 0.1, 0).X.tobytes()
