"""Transformers of volumes for pipelines: n-dimensional in, n-dimensional out."""

from sksubtomo.preprocessing._binner import FourierBinner
from sksubtomo.preprocessing._cropper import CenterCropper
from sksubtomo.preprocessing._flattener import VolumeFlattener
from sksubtomo.preprocessing._inverter import ContrastInverter
from sksubtomo.preprocessing._low_pass import GaussianLowPass
from sksubtomo.preprocessing._normalizer import VolumeNormalizer

__all__ = [
    "CenterCropper",
    "ContrastInverter",
    "FourierBinner",
    "GaussianLowPass",
    "VolumeFlattener",
    "VolumeNormalizer",
]
