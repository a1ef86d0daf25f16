"""Network architectures: PyTorch modules, nothing about training."""

from sksubtomo.networks._autoencoding import AutoencodingNetwork, AutoencodingOutput
from sksubtomo.networks._classifier import Classifier3d
from sksubtomo.networks._conditional import ConditionalOutput, ConditionalVariationalNetwork
from sksubtomo.networks._contrastive import ContrastiveNetwork, ContrastiveOutput
from sksubtomo.networks._decoder import Decoder3d
from sksubtomo.networks._encoder import Encoder3d
from sksubtomo.networks._monai_encoder import MonaiEncoder3d
from sksubtomo.networks._pooled_classifier import PooledClassifier3d
from sksubtomo.networks._precision import PRECISIONS
from sksubtomo.networks._registry import NETWORKS, Backbone, resolve_backbone
from sksubtomo.networks._residual_decoder import ResidualDecoder3d
from sksubtomo.networks._residual_encoder import ResidualEncoder3d
from sksubtomo.networks._variational import VariationalNetwork, VariationalOutput

__all__ = [
    "NETWORKS",
    "PRECISIONS",
    "AutoencodingNetwork",
    "AutoencodingOutput",
    "Backbone",
    "Classifier3d",
    "ConditionalOutput",
    "ConditionalVariationalNetwork",
    "ContrastiveNetwork",
    "ContrastiveOutput",
    "Decoder3d",
    "Encoder3d",
    "MonaiEncoder3d",
    "PooledClassifier3d",
    "ResidualDecoder3d",
    "ResidualEncoder3d",
    "VariationalNetwork",
    "VariationalOutput",
    "resolve_backbone",
]
