"""Two tomograms of noise with two kinds of blobs, and tables of them."""

import cli_project
import pytest


@pytest.fixture
def project(tmp_path):
    """A folder with tomograms TS_1 and TS_2, and particles.star: 18 particles in each."""
    return cli_project.make_project(tmp_path)


@pytest.fixture
def fit_arguments(project):
    """Arguments of a short fit."""
    return cli_project.fit_arguments(project)
