"""Label candidates of a simulated tomogram as an expert would who looks at some of them.

    python docs/examples/label_simulated.py candidates.star simulated/particles.star labels.star

Of the first tomogram, fifty candidates are drawn at random. Those within 5 voxels of a particle of
class 1 are labeled 1, the others 2, which here means "no particle of that kind". With data of
your own, a viewer takes the place of this script.
"""

import argparse

import numpy as np
from scipy.spatial import KDTree

from sksubtomo.io import read_particles, write_particles

TOLERANCE_VOXELS = 5.0


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("candidates", help="table of a picker")
    parser.add_argument("truth", help="table of the simulation")
    parser.add_argument("labels", help="table to write")
    parser.add_argument("--n-labels", type=int, default=50)
    parser.add_argument("--random-state", type=int, default=0)
    options = parser.parse_args()

    candidates, truth = read_particles(options.candidates), read_particles(options.truth)
    name = candidates.tomogram_names[0]
    candidates = candidates.subset(candidates.tomogram_names == name)
    particles = truth.subset((truth.tomogram_names == name) & (truth.class_numbers == 1))

    seen = np.random.default_rng(options.random_state).permutation(len(candidates))
    seen = seen[: options.n_labels]
    distances, _ = KDTree(particles.coordinates).query(candidates.coordinates[seen])
    labels = np.where(distances <= TOLERANCE_VOXELS, 1, 2)
    write_particles(options.labels, candidates.subset(seen), class_numbers=labels)
    print(f"{options.labels}: {(labels == 1).sum()} particles, {(labels == 2).sum()} others")


if __name__ == "__main__":
    main()
