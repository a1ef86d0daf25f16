import numpy as np
import pytest

from sksubtomo.io import make_particle_table, read_particles, write_particles


def test_arrays_come_back_from_a_file(tmp_path):
    coordinates = np.array([[1.5, 2.0, 3.25], [4.0, 5.0, 6.0]])
    table = make_particle_table(
        coordinates, tomogram_names=["a", "b"], columns={"rlnAngleRot": [1.0, 2.0]}
    )
    write_particles(tmp_path / "a.star", table)
    again = read_particles(tmp_path / "a.star")
    assert np.array_equal(again.coordinates, coordinates)
    assert again.tomogram_names.tolist() == ["a", "b"]
    assert again.table["rlnAngleRot"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("coordinates", [[1, 2, 3], [[1, 2]]])
def test_what_is_no_coordinates_is_refused(coordinates):
    with pytest.raises(ValueError, match="must have shape"):
        make_particle_table(coordinates)
