"""
What a microscope does to a molecule
====================================

From the potential of one complex to its subtomogram, step by step: projection, contrast transfer
function (CTF), shot noise, and the reconstruction from a tilt series, whose missing wedge shows in
real space and in the power spectrum. Simulate a planned experiment in this way before it takes
microscope time.
"""

import matplotlib.pyplot as plt
import numpy as np

from sksubtomo.datasets import load_density, make_tomogram
from sksubtomo.geometry import project_tilts
from sksubtomo.plotting import add_scale_bar
from sksubtomo.simulate import Microscope, TiltScheme, image_tilts

# %%
# One image
# ---------
#
# A 20S proteasome with its activator in the middle of a box of 96 voxels of 4 Å, and its image at 3
# µm underfocus. Any map or atomic model can take its place: ``source = "1bxn.pdb"``.

source = "proteasome_20s_pa26"
box_size, voxel_size_angstrom, defocus_um, snr = 96, 4.0, 3.0, 0.3

density = load_density(source, voxel_size_angstrom=voxel_size_angstrom)
specimen = np.zeros((box_size,) * 3, dtype=np.float32)
start = box_size // 2 - len(density) // 2
specimen[(slice(start, start + len(density)),) * 3] = density

(projection,) = project_tilts(specimen, [0.0])
untilted = TiltScheme((0.0,), defocus_um=defocus_um)
(imaged,) = image_tilts(specimen, voxel_size_angstrom=voxel_size_angstrom, scheme=untilted)
noise = np.random.default_rng(0).standard_normal(imaged.shape)
noisy = imaged + noise * imaged.std() / np.sqrt(snr)

# %%
# A tilt series
# -------------
#
# :func:`~sksubtomo.datasets.make_tomogram` images the specimen along a tilt series and reconstructs
# it by weighted back-projection: once with tilts all round, which no microscope has, and once from
# -60° to 60°.


def log_power(image):
    """Return the power spectrum on a logarithmic scale, frequency 0 in the middle."""
    window = np.outer(*[np.hanning(n) for n in image.shape])
    power = np.abs(np.fft.fftshift(np.fft.fft2((image - image.mean()) * window))) ** 2
    return np.log10(power + 1e-6 * power.max())


middle = box_size // 2
rows = [
    {
        "potential, slice": specimen[middle],
        "projection": projection,
        "through the CTF": imaged,
        "with shot noise": noisy,
    }
]
for title, angles in {
    "all tilts": np.arange(-90.0, 90.0, 2.0),
    "-60° to 60°": np.arange(-60.0, 61.0, 3.0),
}.items():
    data = make_tomogram(
        {"complex": source},
        n_particles=1,
        shape=specimen.shape,
        box_size=box_size,
        voxel_size_angstrom=voxel_size_angstrom,
        snr=snr,
        scheme=TiltScheme(tuple(angles), defocus_um=defocus_um),
        microscope=Microscope(),
        random_state=0,
    )
    clean, tomogram = data.clean[:, middle], data.tomogram[:, middle]
    rows.append(
        {
            f"{title}: x-z slice": clean,
            "with noise": tomogram,
            "power spectrum": log_power(clean),
            "power, with noise": log_power(tomogram),
        }
    )

# %%
# The empty cone in the power spectrum of the third row is the missing wedge: frequencies about the
# beam that no tilt measures. In the x-z slice, the particle is smeared out along the beam (z,
# upward).

figure, axes = plt.subplots(3, 4, figsize=(9, 7.2), layout="constrained")
for row, images in zip(axes, rows, strict=True):
    for ax, (title, image) in zip(row, images.items(), strict=True):
        low, high = np.percentile(image, [0.5, 99.8])
        ax.imshow(image, cmap="gray", vmin=low, vmax=high, origin="lower")
        ax.set_title(title, fontsize=9)
        ax.set(xticks=[], yticks=[])
for ax in (*axes[0], *axes[1:, :2].flat):
    add_scale_bar(ax, voxel_size_angstrom, 100)
