"""Errors and warnings that a caller may want to catch by name."""

__all__ = [
    "DeadCodeWarning",
    "FileFormatError",
    "OutOfMemoryWarning",
    "PrecisionWarning",
    "SuspiciousLabelWarning",
    "VolumeShapeWarning",
]


class DeadCodeWarning(UserWarning):
    """The code of a fitted autoencoder, or its reconstruction, is the same for all volumes."""


class FileFormatError(ValueError):
    """A file is not what its name or header promises; the message names the file."""


class OutOfMemoryWarning(UserWarning):
    """A prediction goes on in smaller batches, because memory ran out."""


class PrecisionWarning(UserWarning):
    """Reduced precision computes wrongly on this hardware, and float32 is used instead."""


class SuspiciousLabelWarning(UserWarning):
    """A label looks like a misspelling of the one that marks unlabeled rows."""


class VolumeShapeWarning(UserWarning):
    """Flat rows were read as one line of voxels although they look like volumes."""
