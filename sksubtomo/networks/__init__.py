"""Network architectures: PyTorch modules, nothing about training."""

from sksubtomo.networks._autoencoding import AutoencodingNetwork, AutoencodingOutput
from sksubtomo.networks._classifier import Classifier3d
from sksubtomo.networks._conditional import ConditionalOutput, ConditionalVariationalNetwork
from sksubtomo.networks._decoder import Decoder3d
from sksubtomo.networks._encoder import Encoder3d
from sksubtomo.networks._variational import VariationalNetwork, VariationalOutput

__all__ = [
    "AutoencodingNetwork",
    "AutoencodingOutput",
    "Classifier3d",
    "ConditionalOutput",
    "ConditionalVariationalNetwork",
    "Decoder3d",
    "Encoder3d",
    "VariationalNetwork",
    "VariationalOutput",
]
