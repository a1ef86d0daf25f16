"""How each of many volumes was imaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sksubtomo.fourier._ctf import contrast_transfer
from sksubtomo.fourier._filters import squared_frequencies
from sksubtomo.fourier._tilt_series import check_tilts, tilt_series_weights
from sksubtomo.fourier._wedge import check_tilt_axes, check_tilt_range, missing_wedge_mask

# What is measured with less than this gain does not count as measured.
_LEAST_GAIN = 1e-3


class _Tilts(NamedTuple):
    """The tilts of a series: their range, or all of them; and their axes."""

    tilt_range: tuple[float, float] | None
    tilts: tuple[float, ...] | None
    exposures: tuple[float, ...] | None
    tilt_axis: str | float
    beam: str
    voxel_size: float | None

    def gains(self, shape: tuple[int, int, int]) -> NDArray[np.float32]:
        if self.tilts is None:
            assert self.tilt_range is not None
            mask = missing_wedge_mask(
                shape, self.tilt_range, tilt_axis=self.tilt_axis, beam=self.beam
            )
            return mask.astype(np.float32)
        return tilt_series_weights(
            shape,
            self.tilts,
            tilt_axis=self.tilt_axis,
            beam=self.beam,
            exposures=self.exposures,
            voxel_size_angstrom=self.voxel_size,
        )


class _Optics(NamedTuple):
    """Parameters of :func:`contrast_transfer`, and the edge of a voxel in angstrom."""

    defocus_um: float
    voltage_kv: float
    spherical_aberration_mm: float
    amplitude_contrast: float
    voxel_size: float

    def gains(self, squared_frequency: NDArray[np.float64]) -> NDArray[np.float64]:
        *_, voxel_size = self
        # Positive at low frequencies, so that references have the contrast of the volumes.
        return -contrast_transfer(
            squared_frequency / voxel_size**2,
            defocus_um=self.defocus_um,
            voltage_kv=self.voltage_kv,
            spherical_aberration_mm=self.spherical_aberration_mm,
            amplitude_contrast=self.amplitude_contrast,
        )


class Imaging:
    """Tilts and contrast transfer of each of many volumes.

    The signal of a volume is that of the molecule times a gain at each frequency: 0 in the missing
    wedge, and the contrast transfer function elsewhere. All parameters are one value
    for all volumes, or one for each. It has the length and the indexing of an array, so that
    scikit-learn splits it like other metadata; one that has a single value of everything is for any
    number of volumes. Volumes that were imaged alike, as those of a tomogram, are computed once.

    Parameters
    ----------
    tilt_ranges_deg : float, (float, float) or array-like of shape (n, 2), default=60
        Lowest and highest tilt in degrees; a single number t means (-t, t).
    tilt_axes : str, float or sequence of n, default="y"
        See :func:`missing_wedge_mask`.
    beams : str or sequence of n, default="z"
        See :func:`missing_wedge_mask`.
    tilts_deg : array-like of float or sequence of n, optional
        All tilts of the series of each volume, instead of a range, see
        :func:`tilt_series_weights`.
    exposures : array-like of float or sequence of n, optional
        The exposure before each tilt, see :func:`tilt_series_weights`.
    defocus_um : float or array-like of shape (n,), optional
        Underfocus in micrometer, see :func:`contrast_transfer`; NaN or None is no contrast
        transfer function, as for volumes that were corrected.
    voxel_size_angstrom : float or array-like of shape (n,), optional
        Edge of a voxel, needed with `defocus_um` and `exposures`.
    voltage_kv, spherical_aberration_mm, amplitude_contrast : float or array-like of shape (n,)
        See :func:`contrast_transfer`.
    phase_flipped : bool, default=False
        Whether phases were flipped, so that the gain is the absolute value of the function.

    Attributes
    ----------
    index : ndarray of shape (n,)
        Which of the different ways of imaging each volume has.

    Raises
    ------
    ValueError
        If lengths differ, an angle or an axis is malformed, or there is no voxel size.

    Examples
    --------
    >>> from sksubtomo.fourier import Imaging
    >>> imaging = Imaging([[-60, 60], [-40, 40], [-60, 60]])
    >>> len(imaging), imaging.n_kinds, imaging[1:].index.tolist()
    (3, 2, [1, 0])
    """

    def __init__(
        self,
        tilt_ranges_deg: float | ArrayLike = 60.0,
        *,
        tilt_axes: str | float | Sequence[str | float] = "y",
        beams: str | Sequence[str] = "z",
        tilts_deg: ArrayLike | Sequence[ArrayLike] | None = None,
        exposures: ArrayLike | Sequence[ArrayLike] | None = None,
        defocus_um: ArrayLike | None = None,
        voxel_size_angstrom: ArrayLike | None = None,
        voltage_kv: ArrayLike = 300.0,
        spherical_aberration_mm: ArrayLike = 2.7,
        amplitude_contrast: ArrayLike = 0.07,
        phase_flipped: bool = False,
    ) -> None:
        columns: dict[str, list[Any]] = {
            "tilt_ranges_deg": _ranges(tilt_ranges_deg),
            "tilt_axes": _names(tilt_axes),
            "beams": _names(beams),
            "tilts_deg": _lists(tilts_deg),
            "exposures": _lists(exposures),
            "voxel_size_angstrom": _numbers(voxel_size_angstrom),
            "defocus_um": _numbers(defocus_um),
            "voltage_kv": _numbers(voltage_kv),
            "spherical_aberration_mm": _numbers(spherical_aberration_mm),
            "amplitude_contrast": _numbers(amplitude_contrast),
        }
        lengths = {name: len(column) for name, column in columns.items() if len(column) != 1}
        if len(set(lengths.values())) > 1 or 0 in lengths.values():
            raise ValueError(f"Imaging needs one value of each for all volumes, got {lengths}.")
        n = max(lengths.values(), default=1)
        rows = zip(*(c * n if len(c) == 1 else c for c in columns.values()), strict=True)
        number_of: dict[tuple, int] = {}
        self.index = np.array([number_of.setdefault(row, len(number_of)) for row in rows])
        self._kinds = tuple(_kind(*row) for row in number_of)
        self.phase_flipped = bool(phase_flipped)

    @property
    def n_kinds(self) -> int:
        """Number of different ways of imaging, of the whole before it was split."""
        return len(self._kinds)

    @property
    def description(self) -> dict[str, Any]:
        """All that says how volumes were imaged, as plain values."""
        return {"kinds": self._kinds, "index": self.index, "phase_flipped": self.phase_flipped}

    @property
    def shape(self) -> tuple[int]:
        """Number of volumes."""
        return (len(self.index),)

    @property
    def has_transfer(self) -> bool:
        """Whether there is more than wedges, so that lengths in angstrom matter."""
        return any(optics is not None or _Tilts(*tilts).exposures for tilts, optics in self._kinds)

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, rows: Any) -> Imaging:
        """Return the imaging of rows: a slice, a mask or an array of their numbers."""
        part = object.__new__(type(self))
        part.__dict__.update(self.__dict__)
        part.index = np.atleast_1d(self.index[rows])
        return part

    def __repr__(self) -> str:
        return f"Imaging({len(self)} volumes, {len(np.unique(self.index))} kinds)"

    def broadcast(self, n_volumes: int) -> Imaging:
        """Return the imaging of so many volumes.

        Parameters
        ----------
        n_volumes : int
            How many.

        Returns
        -------
        imaging : Imaging
            Its own value for each volume, or one value repeated.

        Raises
        ------
        ValueError
            If it is that of another number of them.
        """
        if len(self) not in (1, n_volumes):
            raise ValueError(
                f"The imaging is that of {len(self)} volumes, but X has {n_volumes}. Give one "
                "value for each, or one for all."
            )
        part = self[np.zeros(n_volumes, int)] if len(self) == 1 else self[:]
        # What no volume has needs no gains.
        used, part.index = np.unique(part.index, return_inverse=True)
        part._kinds = tuple(self._kinds[number] for number in used)
        return part

    def gains(
        self, shape: tuple[int, int, int], which: NDArray[np.intp] | None = None
    ) -> NDArray[np.float32]:
        """Return the gains of all kinds.

        Parameters
        ----------
        shape : (int, int, int)
            Edges of the box in voxels, z, y, x.
        which : ndarray of int, optional
            Places in the flat layout of ``scipy.fft.rfftn``; by default all.

        Returns
        -------
        gains : ndarray of shape (n_kinds, n_frequencies) of float32
            From -1 to 1; 0 where next to nothing is measured.
        """
        k2 = squared_frequencies(shape).ravel()
        which = np.arange(len(k2)) if which is None else which
        wedges = {
            one: _Tilts(*one).gains(shape).ravel()[which]
            for one in dict.fromkeys(tilts for tilts, _ in self._kinds)
        }
        gains = np.stack([wedges[tilts] for tilts, _ in self._kinds])
        for gain, (_, optics) in zip(gains, self._kinds, strict=True):
            if optics is not None:
                gain *= _Optics(*optics).gains(k2[which])
        gains = np.abs(gains) if self.phase_flipped else gains
        return np.where(np.abs(gains) < _LEAST_GAIN, np.float32(0), gains)


def _kind(
    tilt_range: tuple[float, float],
    tilt_axis: str | float,
    beam: str,
    tilts: tuple[float, ...] | None,
    exposures: tuple[float, ...] | None,
    voxel_size: float | None,
    defocus: float | None,
    *optics: float,
) -> tuple[tuple[Any, ...], tuple[Any, ...] | None]:
    """Return one way of imaging, what :class:`_Tilts` and :class:`_Optics` have; refuse others."""
    check_tilt_axes(tilt_axis, beam)
    if exposures is not None and tilts is None:
        raise ValueError("exposures are those of tilts_deg, which are not given.")
    if tilts is not None:
        check_tilts(tilts, exposures)
    if (exposures is not None or defocus is not None) and not (voxel_size and voxel_size > 0):
        raise ValueError(
            f"voxel_size_angstrom={voxel_size} must be positive where there is defocus_um or "
            "exposures."
        )
    one = (
        check_tilt_range(tilt_range) if tilts is None else None,
        *(tilts, exposures, tilt_axis, beam),
        None if exposures is None else voxel_size,
    )
    # Plain tuples, which model files may hold.
    return one, None if defocus is None else (defocus, *optics, voxel_size)


def _ranges(value: Any) -> list[tuple[float, float]]:
    ranges = np.asarray(value, dtype=float)
    if ranges.ndim == 2 and ranges.shape[1:] == (2,):
        wrong = ~((ranges[:, 0] < ranges[:, 1]) & (np.abs(ranges) <= 90).all(axis=1))
        if wrong.any():
            row = int(wrong.argmax())
            raise ValueError(
                f"tilt_ranges_deg[{row}] = {ranges[row].tolist()} must be two increasing angles "
                "between -90 and 90 degrees."
            )
        return [(low, high) for low, high in ranges.tolist()]
    if ranges.ndim > 1 or ranges.size not in (1, 2):
        raise ValueError(
            f"tilt_ranges_deg has shape {ranges.shape}; n volumes need (n, 2): the lowest and the "
            "highest tilt of each, in degrees."
        )
    return [check_tilt_range(value)]


def _names(value: Any) -> list[str | float]:
    if isinstance(value, str) or np.ndim(value) == 0:
        return [value]
    return [one.item() if isinstance(one, np.generic) else one for one in value]


def _numbers(value: Any) -> list[float | None]:
    numbers = np.atleast_1d(np.asarray(np.nan if value is None else value, dtype=float))
    if numbers.ndim > 1 or np.isinf(numbers).any():
        raise ValueError(
            f"Imaging takes one finite number for all volumes, or one for each, not an array of "
            f"shape {numbers.shape}."
        )
    return [None if np.isnan(one) else one for one in numbers.tolist()]


def _lists(value: Any) -> list[tuple[float, ...] | None]:
    if value is None:
        return [None]
    if np.ndim(value[0]) == 0:
        return [tuple(np.asarray(value, dtype=float).tolist())]
    return [tuple(np.asarray(one, dtype=float).tolist()) for one in value]
