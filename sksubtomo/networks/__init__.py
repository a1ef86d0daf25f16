"""The network architectures, as plain PyTorch modules."""

from sksubtomo.networks._autoencoding import AutoencodingNetwork, AutoencodingOutput
from sksubtomo.networks._classifier import Classifier3d
from sksubtomo.networks._decoder import Decoder3d
from sksubtomo.networks._encoder import Encoder3d

__all__ = ["AutoencodingNetwork", "AutoencodingOutput", "Classifier3d", "Decoder3d", "Encoder3d"]
