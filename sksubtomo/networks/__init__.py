"""Network architectures, as settings and as PyTorch modules; nothing about training."""

from sksubtomo.networks._centered import CenteredLinear
from sksubtomo.networks._contrastive import ContrastiveNetwork, ContrastiveOutput
from sksubtomo.networks._gaussian import GaussianNoise
from sksubtomo.networks._joint import AutoencodingNetwork, AutoencodingOutput
from sksubtomo.networks._liu2019 import Classifier3d, Decoder3d, Encoder3d
from sksubtomo.networks._monai import MonaiEncoder3d
from sksubtomo.networks._resnet import PooledClassifier3d, ResidualDecoder3d, ResidualEncoder3d
from sksubtomo.networks._settings import (
    NETWORKS,
    Liu2019,
    MONAINet,
    NetworkSettings,
    ResNet,
    network_settings,
)
from sksubtomo.networks._variational import (
    ConditionalOutput,
    ConditionalVariationalNetwork,
    VariationalNetwork,
    VariationalOutput,
)

__all__ = [
    "NETWORKS",
    "AutoencodingNetwork",
    "AutoencodingOutput",
    "CenteredLinear",
    "Classifier3d",
    "ConditionalOutput",
    "ConditionalVariationalNetwork",
    "ContrastiveNetwork",
    "ContrastiveOutput",
    "Decoder3d",
    "Encoder3d",
    "GaussianNoise",
    "Liu2019",
    "MONAINet",
    "MonaiEncoder3d",
    "NetworkSettings",
    "PooledClassifier3d",
    "ResNet",
    "ResidualDecoder3d",
    "ResidualEncoder3d",
    "VariationalNetwork",
    "VariationalOutput",
    "network_settings",
]
