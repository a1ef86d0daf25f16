"""
What a microscope does to a molecule
====================================

One complex at every step: its potential, a projection, the projection through the contrast
transfer function, with shot noise; the reconstruction from a tilt series all round and one with a
missing wedge, with and without noise; and power spectra, in which the missing wedge shows.

    python docs/examples/plot_microscope.py
    python docs/examples/plot_microscope.py --complex 1bxn.pdb
"""

import argparse
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from sksubtomo.datasets import load_density, make_tomogram
from sksubtomo.geometry import project_tilts
from sksubtomo.simulate import Microscope, TiltScheme, image_tilts


def log_power(image):
    """Return the power spectrum of a slice, frequency 0 in the middle, on a logarithmic scale."""
    window = np.outer(*[np.hanning(n) for n in image.shape])
    power = np.abs(np.fft.fftshift(np.fft.fft2((image - image.mean()) * window))) ** 2
    return np.log10(power + 1e-6 * power.max())


def simulate(options):
    """Return images by title, rows of a figure."""
    voxel, middle = options.voxel_size, options.box_size // 2
    density = load_density(options.complex, voxel_size_angstrom=voxel)
    specimen = np.zeros((options.box_size,) * 3, dtype=np.float32)
    start = middle - len(density) // 2
    specimen[(slice(start, start + len(density)),) * 3] = density

    scheme = TiltScheme((0.0,), defocus_um=options.defocus)
    (projection,) = project_tilts(specimen, [0.0])
    (imaged,) = image_tilts(specimen, voxel_size_angstrom=voxel, scheme=scheme)
    noise = np.random.default_rng(0).standard_normal(imaged.shape)
    noisy = imaged + noise * imaged.std() / np.sqrt(options.snr)

    params = {
        "classes": {"complex": options.complex},
        "n_particles": 1,
        "shape": specimen.shape,
        "box_size": options.box_size,
        "voxel_size_angstrom": voxel,
        "snr": options.snr,
        "microscope": Microscope(),
        "random_state": 0,
    }
    tilts = {"all round": np.arange(-90.0, 90.0, 2.0), "-60 to 60": np.arange(-60.0, 61.0, 3.0)}
    rows = [
        {
            "potential, slice": specimen[middle],
            "projection": projection,
            "through the CTF": imaged,
            "with shot noise": noisy,
        }
    ]
    for title, angles in tilts.items():
        scheme = TiltScheme(tuple(angles), defocus_um=options.defocus)
        data = make_tomogram(scheme=scheme, **params)
        clean = data.clean[:, middle]
        rows.append(
            {
                f"tilts {title}:\nreconstruction, x-z": clean,
                "with noise": data.tomogram[:, middle],
                "power, without noise": log_power(clean),
                "power, with noise": log_power(data.tomogram[:, middle]),
            }
        )
    return rows


def draw(rows, path):
    """Draw rows of images."""
    figure, axes = plt.subplots(len(rows), 4, figsize=(11, 9), layout="constrained")
    for row, images in zip(axes, rows, strict=True):
        for ax, (title, image) in zip(row, images.items(), strict=True):
            low, high = np.percentile(image, [0.5, 99.8])
            ax.imshow(image, cmap="gray", vmin=low, vmax=high, origin="lower")
            ax.set_title(title, fontsize=9)
            ax.set_axis_off()
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--complex", default="proteasome_20s_pa26", help="name or file")
    parser.add_argument("--box-size", type=int, default=96)
    parser.add_argument("--voxel-size", type=float, default=4.0, help="angstrom")
    parser.add_argument("--defocus", type=float, default=3.0, help="micrometer")
    parser.add_argument("--snr", type=float, default=0.3)
    parser.add_argument("--output", type=Path, default=Path("microscope_output"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    draw(simulate(options), options.output / "microscope.png")
    print(f"See {options.output / 'microscope.png'}")


if __name__ == "__main__":
    main()
