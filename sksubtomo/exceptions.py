"""Errors and warnings that a caller may want to catch by name."""

__all__ = [
    "CheckpointWarning",
    "DeadCodeWarning",
    "FileFormatError",
    "ImagingWarning",
    "InvertedContrastWarning",
    "LabelAgreementWarning",
    "OutOfMemoryWarning",
    "PrecisionWarning",
    "RecordedStepWarning",
    "SuspiciousLabelWarning",
    "VolumeShapeWarning",
]


class CheckpointWarning(UserWarning):
    """A checkpoint cannot be written for now; the fit goes on without."""


class DeadCodeWarning(UserWarning):
    """The code of a fitted autoencoder, or its reconstruction, is the same for all volumes."""


class FileFormatError(ValueError):
    """A file is not what its name or header promises; the message names the file.

    Parameters
    ----------
    *args : object
        The message.
    arguments : tuple of str, default=()
        Names of the arguments by which the caller can say what the file leaves open, such as
        ``("binning",)``.
    """

    def __init__(self, *args: object, arguments: tuple[str, ...] = ()) -> None:
        super().__init__(*args)
        self.arguments = arguments


class ImagingWarning(UserWarning):
    """Volumes look as if their tilt axis, tilt range or contrast were not what was stated."""


class InvertedContrastWarning(ImagingWarning):
    """Some volumes are likelier with inverted contrast."""


class LabelAgreementWarning(UserWarning):
    """Fitted references disagree with given labels: classes may be mixed, or labels wrong."""


class OutOfMemoryWarning(UserWarning):
    """A prediction goes on in smaller batches, because memory ran out."""


class PrecisionWarning(UserWarning):
    """Reduced precision computes wrongly on this hardware, and float32 is used instead."""


class RecordedStepWarning(UserWarning):
    """A training on a GPU goes on without CUDA graphs, because a recorded step is not right."""


class SuspiciousLabelWarning(UserWarning):
    """A label looks like a misspelling of the one that marks unlabeled rows."""


class VolumeShapeWarning(UserWarning):
    """Flat rows were read as one line of voxels although they look like volumes."""
