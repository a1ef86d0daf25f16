"""Errors and warnings that a caller may want to catch by name."""

__all__ = ["FileFormatError", "VolumeShapeWarning"]


class FileFormatError(ValueError):
    """A file is not what its name or header promises; the message names the file."""


class VolumeShapeWarning(UserWarning):
    """Flat rows were read as one line of voxels although they look like volumes."""
