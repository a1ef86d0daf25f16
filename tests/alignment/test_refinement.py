"""Poses between those of a grid."""

import numpy as np
import torch
from alignment.test_em import SIZE, as_tensor, blobs, make_poses
from scipy.spatial.transform import Rotation

from sksubtomo.alignment import expectation, refine_poses, shift_grid
from sksubtomo.geometry import rotate_volume, rotation_grid


def test_poses_are_found_between_those_of_the_grid():
    rng = np.random.default_rng(0)
    poses = make_poses(rotation_grid(30.0), shift_grid(1.5, 3))
    maps, which = as_tensor(blobs(0, reach=4.0), blobs(1, reach=4.0)), np.arange(12) % 2
    rotations, shifts = Rotation.random(12, random_state=1), rng.uniform(-1.5, 1.5, (12, 3))
    volumes = np.stack(
        [
            rotate_volume(maps[k].numpy(), rotation, shift=shift)
            for k, rotation, shift in zip(which, rotations, shifts, strict=True)
        ]
    )
    volumes = volumes + rng.normal(scale=0.1, size=volumes.shape).astype(np.float32)
    data, noise = poses.coefficients(volumes), torch.full((6,), 0.01)
    best = expectation(poses, data, maps, noise).best.numpy()[np.arange(12), which]
    shift, rotation = np.divmod(best, len(poses.rotations))
    first = poses.rotations[rotation], poses.shifts[shift]
    found, moved = refine_poses(poses, data, maps, which, noise, *first)
    errors = [np.degrees((r * rotations.inv()).magnitude()) for r in (first[0], found)]
    assert np.median(errors[0]) > 8
    assert np.median(errors[1]) < 2
    assert np.abs(moved - shifts).max() < 0.3 < np.abs(first[1] - shifts).max()


def test_templates_at_poses_of_the_grid_are_those_of_the_grid():
    poses = make_poses(rotation_grid(90.0))
    maps = as_tensor(blobs(0), blobs(1))
    which = np.arange(len(poses.rotations)) % 2
    found = poses.templates_at(maps, which, poses.rotations)
    grid = poses.templates(maps)[which, np.arange(len(which))]
    real, imaginary = grid.chunk(2, dim=1)
    torch.testing.assert_close(found, torch.complex(real, imaginary))
    assert found.shape == (len(which), len(poses.frequencies))
    assert poses.box_size == SIZE
