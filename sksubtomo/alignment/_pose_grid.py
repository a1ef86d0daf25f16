"""Reference maps in many poses, as Fourier coefficients that a tilt series measures.

A volume is its reference, rotated, then shifted, of which the laboratory's wedge is measured. By
the theorem of rotations, the coefficient at k of a rotated map is the map's own at ``R.T k``; a
shift is a phase. So all poses of a map are one trilinear interpolation in its spectrum, finely
sampled by zero padding, and the adjoint of that interpolation brings coefficients back into the
reference's frame.
"""

from __future__ import annotations

import copy
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import fft
from scipy.signal import resample
from scipy.spatial.transform import Rotation
from torch.nn import functional

from sksubtomo.alignment._frequencies import measured_frequencies
from sksubtomo.alignment._gains import Gains, gains_of
from sksubtomo.alignment._interpolation import DeviceSampling, TrilinearSampling
from sksubtomo.alignment._resident import Resident
from sksubtomo.fourier import Imaging, fourier_crop

# Samples of a spectrum per frequency of the box, for trilinear interpolation.
_OVERSAMPLING = 2
_AXES = (-3, -2, -1)
# Signal power is not taken to be below this share of the noise.
_LEAST_SIGNAL = 1e-3


class PoseGrid(Resident):
    """A grid of rotations and shifts of maps, and the coefficients to compare them by.

    Coefficients are scaled so that white noise of variance s**2 a voxel has s**2 in every
    real and every imaginary part.

    Parameters
    ----------
    box_size : int
        Edge of the volumes in voxels.
    inner_size : int
        Edge of the maps, even, at most `box_size`; it spans the same field of view.
    n_shells : float
        Radius of the ball of frequencies, at most half of `inner_size`.
    rotations : scipy.spatial.transform.Rotation
        A stack of rotations.
    shifts : ndarray of shape (n_shifts, 3)
        z, y, x in voxels of the volumes.
    tilt_range_deg : float or (float, float), default=60
        Lowest and highest tilt in degrees.
    mask_radius : float, optional
        Radius in voxels of the volumes where maps have fallen to 0; by default the largest.
    imaging : Imaging, optional
        Of volumes that differ in it, instead of `tilt_range_deg`. Frequencies are those that any of
        them measures.

    Attributes
    ----------
    gains : Gains or None
        How much each kind of `imaging` measures; None where all volumes measure all.
    """

    def __init__(
        self,
        box_size: int,
        inner_size: int,
        *,
        n_shells: float,
        rotations: Rotation,
        shifts: NDArray[np.float64],
        tilt_range_deg: Any = 60.0,
        mask_radius: float | None = None,
        imaging: Imaging | None = None,
    ) -> None:
        self.box_size, self.inner_size, self._n_shells = box_size, inner_size, n_shells
        self.rotations, self.shifts = rotations, shifts
        imaging = Imaging(tilt_range_deg) if imaging is None else imaging
        ball, values = self._gains_in_ball(imaging)
        measured = (values != 0).any(axis=0)
        self._set_frequencies(ball[measured])
        #: Fraction of the frequencies in the ball that are measured, or a mean by shell.
        self.coverage: float | torch.Tensor = len(self.frequencies) / len(ball)
        shells = self.shells[: len(self.radii)].numpy()
        self.gains = gains_of(imaging, values[:, measured], shells, self.coverage)
        if self.gains is not None:
            self.coverage = self.gains.coverage
        self._build_mask(mask_radius)

    def _gains_in_ball(self, imaging: Imaging) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return all frequencies of the ball, and the gains of imaging there."""
        ball, index = measured_frequencies(self.box_size, self._n_shells, 90.0)
        return ball, imaging.gains((self.box_size,) * 3, index)

    def _set_frequencies(self, frequencies: NDArray[np.int64]) -> None:
        self.frequencies = frequencies
        self.radii = np.linalg.norm(frequencies, axis=1)
        #: Shell of every real coefficient.
        self.shells = torch.from_numpy(np.tile(self.radii.round().astype(np.int64), 2))
        phases = np.exp(2j * np.pi / self.box_size * (self.shifts[:, ::-1] @ frequencies.T))
        self._phases = torch.from_numpy(phases.astype(np.complex64))

    def with_imaging(self, imaging: Imaging) -> PoseGrid:
        """Return the grid for volumes that were imaged in another way.

        Parameters
        ----------
        imaging : Imaging
            Of these volumes.

        Returns
        -------
        poses : PoseGrid
            With the same frequencies, if they measure no others, else with all of the ball. Levels
            of gains, by which errors of maps are weighed, stay those of this grid.
        """
        other = copy.copy(self)
        ball, values = self._gains_in_ball(imaging)
        codes = np.array([1, 2**20, 2**40])
        own = np.isin(ball @ codes, self.frequencies @ codes)
        if (values[:, ~own] != 0).any():
            other.__dict__.pop("_sampling", None)
            other._set_frequencies(ball)
            own = np.ones(len(ball), dtype=bool)
        values = values[:, own]
        if self.gains is None and (values == 1).all():
            return other
        level, coverage = torch.ones(len(other.radii)), torch.as_tensor(self.coverage)
        if self.gains is not None:
            by_shell = torch.ones(int(other.shells.max()) + 1)
            by_shell[self.shells[: len(self.radii)]] = self.gains.level
            level = by_shell[other.shells[: len(other.radii)]]
        other.gains = Gains(torch.from_numpy(values), level, coverage)
        return other

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is large and follows from the rest."""
        return {name: value for name, value in vars(self).items() if name != "_sampling"}

    def _tensors(self) -> dict[str, Any]:
        gains = {} if self.gains is None else {"gains": self.gains}
        return {**super()._tensors(), **gains, "_sampling": self._sampling}

    @cached_property
    def _sampling(self) -> TrilinearSampling | DeviceSampling:
        return self._sampling_of(self.rotations)

    def _sampling_of(self, rotations: Rotation) -> TrilinearSampling:
        fine = self.inner_size * _OVERSAMPLING
        # Row vectors: k @ R is R.T k.
        points = self.frequencies @ rotations.as_matrix() * _OVERSAMPLING + fine // 2
        return TrilinearSampling(points, fine)

    def _build_mask(self, mask_radius: float | None) -> None:
        d = self.inner_size
        x = np.arange(d) - d // 2
        radius = np.sqrt(np.add.outer(np.add.outer(x**2, x**2), x**2))
        largest = (d - 1) / 2
        edge = largest if mask_radius is None else mask_radius * d / self.box_size
        mask = np.clip(edge - radius, 0, 1)
        self._mask = torch.from_numpy(mask.astype(np.float32))
        # What the trilinear kernel does to the map is undone beforehand.
        line = 1 / np.sinc(x / (d * _OVERSAMPLING)) ** 2
        gain = np.multiply.outer(np.multiply.outer(line, line), line)
        self._gain = torch.from_numpy(gain.astype(np.float32))
        k = np.arange(d * _OVERSAMPLING) - d * _OVERSAMPLING // 2
        square = np.add.outer(np.add.outer(k**2, k**2), k**2)
        shell = (np.sqrt(square) / _OVERSAMPLING).round().astype(np.int64)
        self._fine_shells = torch.from_numpy(shell)

    def coefficients(self, volumes: NDArray[np.float32]) -> torch.Tensor:
        """Return the measured coefficients of volumes, (n, n_frequencies), complex."""
        d = self.box_size
        highest = int(np.abs(self.frequencies).max())
        kept = np.flatnonzero(np.abs(fft.fftfreq(d, 1 / d)) < highest + 0.5)
        # Of a large box, most frequencies are dropped before the next axis is transformed.
        spectra = fft.rfft(volumes, axis=-1)[..., : highest + 1]
        for axis in (-2, -3):
            spectra = np.take(fft.fft(spectra, axis=axis), kept, axis=axis)
        kx, ky, kz = self.frequencies.T
        place = np.zeros(d, int)
        place[kept] = np.arange(len(kept))
        # The origin is in the middle of the box.
        phases = np.exp(2j * np.pi * (d // 2) / d * self.frequencies.sum(axis=1))
        spectra = spectra[:, place[kz], place[ky], kx] * (phases * np.sqrt(2 / d**3))
        return torch.from_numpy(spectra.astype(np.complex64))

    def unshift(self, coefficients: torch.Tensor) -> torch.Tensor:
        """Return coefficients with every shift undone, (n, n_shifts, 2 n_frequencies), real."""
        return self.unshifted(coefficients[:, np.newaxis] * self._phases)

    def unshift_each(self, coefficients: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
        """Return coefficients with one shift of each undone, (n, 2 n_frequencies), real."""
        return self.unshifted(coefficients * self._phases[which])

    def unshifted(self, coefficients: torch.Tensor) -> torch.Tensor:
        """Return coefficients as they are, (n, 2 n_frequencies), real."""
        return torch.cat([coefficients.real, coefficients.imag], dim=-1)

    def shift(self, values: torch.Tensor) -> torch.Tensor:
        """Return real coefficients in every shift, (n_shifts, n, 2 n_frequencies), real.

        The adjoint of :meth:`unshift`: scalar products with these are those with the volumes whose
        shifts are undone.
        """
        spectra = torch.complex(*values.chunk(2, dim=-1))
        return self.unshifted(self._phases.conj()[:, np.newaxis] * spectra)

    def templates(self, maps: torch.Tensor) -> torch.Tensor:
        """Return all rotations of maps, (n_classes, n_rotations, 2 n_frequencies), real."""
        values = self._sampling.sample(self._spectra(maps).flatten(0, 1))
        values = values.unflatten(0, (len(maps), 2))
        return torch.cat([values[:, 0], values[:, 1]], dim=-1)

    def templates_at(
        self, maps: torch.Tensor, which: NDArray[np.intp], rotations: Rotation
    ) -> torch.Tensor:
        """Return one map in one orientation for each of n volumes.

        Parameters
        ----------
        maps : Tensor of shape (n_references, inner_size, inner_size, inner_size)
            References.
        which : ndarray of shape (n,) of int
            Index of a map for each volume.
        rotations : scipy.spatial.transform.Rotation
            A stack of n, which need not be of the grid.

        Returns
        -------
        templates : Tensor of shape (n, n_frequencies)
            Complex.
        """
        spectra = self._spectra(maps)
        templates = torch.empty(len(which), len(self.frequencies), dtype=torch.complex64)
        for k in np.unique(which):
            rows = np.flatnonzero(which == k)
            sampling = self._sampling_of(rotations[rows])
            templates[rows] = torch.complex(*sampling.sample(spectra[k]))
        return templates

    def _spectra(self, maps: torch.Tensor) -> torch.Tensor:
        """Return finely sampled spectra, (n_classes, 2, z, y, x), real and imaginary parts."""
        d, fine = self.inner_size, self.inner_size * _OVERSAMPLING
        margin = ((fine - d) // 2,) * 6
        padded = functional.pad(maps * self._gain, margin)
        spectra = _centered(torch.fft.fftn, padded) * np.sqrt(2 / d**3)
        return torch.view_as_real(spectra).movedim(-1, 1)

    def signal_power(self, power: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Return the power that maps have beforehand, by shell: what volumes have above noise.

        Rotations leave it as it is, so that it is known before any pose is.
        """
        return torch.maximum(power - noise, _LEAST_SIGNAL * noise)

    def map_variance(
        self, counts: torch.Tensor, noise: torch.Tensor, signal: torch.Tensor
    ) -> torch.Tensor:
        """Return the posterior variance of the coefficients of maps, by class and shell.

        An average of few volumes is not the molecule: its coefficients are off by this much, as if
        all volumes of the class had so much more noise.

        Parameters
        ----------
        counts : Tensor of shape (n_classes,)
            How many volumes were averaged; each measures a part of the frequencies.
        noise, signal : Tensor of shape (n_shells,)
            Power of noise, and of a map beforehand.

        Returns
        -------
        variance : Tensor of shape (n_classes, n_shells)
        """
        return 1 / (counts[:, np.newaxis] * self.coverage / noise + 1 / signal)

    def accumulate(
        self,
        sums: torch.Tensor,
        weights: torch.Tensor,
        precision: torch.Tensor,
        among: NDArray[np.intp] | None = None,
    ) -> torch.Tensor:
        """Bring what was measured in every rotation into the frame of the references.

        Parameters
        ----------
        sums : Tensor of shape (n_classes, n_rotations, 2 n_frequencies)
            Sums of unshifted coefficients times their gain and their precision.
        weights : Tensor of shape (n_classes, n_rotations) or (..., n_frequencies)
            How many volumes, in sums of probabilities; times squares of their gains.
        precision : Tensor of shape (2 n_frequencies,)
            Inverse noise power.
        among : ndarray of int, optional
            The rotations of the grid that `sums` has; by default all.

        Returns
        -------
        grids : Tensor of shape (n_classes, 3, z, y, x)
            Real and imaginary parts of the sums in half of the finely sampled spectrum, and the
            precision of both.
        """
        one = precision[: len(self.frequencies)]
        counts = ((weights if weights.ndim == 3 else weights[..., np.newaxis]) * one)[:, np.newaxis]
        values = torch.cat([sums.unflatten(-1, (2, -1)).movedim(-2, 1), counts], dim=1)
        return self._sampling.adjoint(values.flatten(0, 1), among).unflatten(0, (len(sums), 3))

    def unshift_by(self, coefficients: torch.Tensor, shifts: NDArray[np.float64]) -> torch.Tensor:
        """Return coefficients (n, n_frequencies) with one shift of each undone, complex."""
        phases = np.exp(2j * np.pi / self.box_size * (shifts[:, ::-1] @ self.frequencies.T))
        return coefficients * torch.from_numpy(phases.astype(np.complex64))

    def adjoint_at(self, values: torch.Tensor, rotations: Rotation) -> torch.Tensor:
        """Add up values of volumes, each in its own orientation, in the references' frame.

        Parameters
        ----------
        values : Tensor of shape (3, n, n_frequencies)
            Real and imaginary parts of the numerators, and denominators.
        rotations : scipy.spatial.transform.Rotation
            A stack of n.

        Returns
        -------
        grids : Tensor of shape (3, fine_size, fine_size, fine_size)
            For :meth:`wiener_update`; sums of them are those of more volumes.
        """
        return self._sampling_of(rotations).adjoint(values)

    def mean_weights(self, denominators: torch.Tensor) -> torch.Tensor:
        """Return the mean of denominators, of both half spaces, by shell; positive."""
        both = (denominators + _mirrored(denominators)).flatten().double()
        shells = self._fine_shells.flatten()
        means = torch.bincount(shells, both) / torch.bincount(shells)
        return means[: self.inner_size // 2 + 1].clamp_min(1e-12).float()

    def wiener_update(self, grids: torch.Tensor, signal: torch.Tensor) -> torch.Tensor:
        """Return the most probable maps, given what was measured in every pose.

        Wiener's filter: sums over noise power are divided by weights over noise power, plus the
        inverse of the power that maps have beforehand.

        Parameters
        ----------
        grids : Tensor of shape (n_classes, 3, z, y, x)
            From :meth:`accumulate`.
        signal : Tensor of shape (n_shells,)
            Power of a real coefficient of a map, beforehand.

        Returns
        -------
        maps : Tensor of shape (n_classes, inner_size, inner_size, inner_size)
        """
        numerators, denominators = torch.complex(grids[:, 0], grids[:, 1]), grids[:, 2]
        # The other half space.
        numerators = numerators + _mirrored(numerators).conj()
        denominators = denominators + _mirrored(denominators)
        shells = self._fine_shells.clamp_max(len(signal) - 1)
        spectra = numerators / (denominators + 1 / signal[shells])
        return self._inner(spectra) * self._gain * self._mask

    def _inner(self, spectra: torch.Tensor) -> torch.Tensor:
        """Return the middle of maps by their finely sampled spectra."""
        spectra = spectra * (self._fine_shells <= self.inner_size // 2)
        d = self.inner_size
        maps = _centered(torch.fft.ifftn, spectra).real / np.sqrt(2 / d**3)
        low = (maps.shape[-1] - d) // 2
        inner = slice(low, low + d)
        return maps[:, inner, inner, inner]

    def to_maps(self, coefficients: torch.Tensor) -> torch.Tensor:
        """Return maps that have these coefficients, and no others."""
        d = self.inner_size
        spectra = torch.zeros(len(coefficients), d, d, d, dtype=coefficients.dtype)
        kx, ky, kz = torch.from_numpy(self.frequencies % d).T
        spectra[:, kz, ky, kx] = coefficients
        spectra[:, -kz % d, -ky % d, -kx % d] = coefficients.conj()
        maps = torch.fft.fftshift(torch.fft.ifftn(spectra, dim=_AXES), dim=_AXES).real
        return maps / np.sqrt(2 / d**3) * self._mask

    def to_references(self, maps: torch.Tensor) -> NDArray[np.float32]:
        """Return maps in the box and the units of the volumes."""
        references = maps.numpy()
        for axis in _AXES:
            first = fft.ifftshift(references, axes=axis)
            references = fft.fftshift(resample(first, self.box_size, axis=axis), axes=axis)
        return (references * (self.inner_size / self.box_size) ** 1.5).astype(np.float32)

    def from_references(self, references: NDArray[np.float32]) -> torch.Tensor:
        """Undo :meth:`to_references`."""
        maps = fourier_crop(references, (self.inner_size,) * 3)
        maps = maps * (self.box_size / self.inner_size) ** 1.5
        return torch.from_numpy(np.ascontiguousarray(maps, dtype=np.float32))


def _centered(transform: Any, volumes: torch.Tensor) -> torch.Tensor:
    """Transform over z, y, x, the origin in the middle before and after."""
    first = torch.fft.ifftshift(volumes, dim=_AXES)
    return torch.fft.fftshift(transform(first, dim=_AXES), dim=_AXES)


def _mirrored(spectrum: torch.Tensor) -> torch.Tensor:
    """Return values at -k; the edge is even and the origin in the middle."""
    return spectrum.flip(_AXES).roll((1, 1, 1), _AXES)
