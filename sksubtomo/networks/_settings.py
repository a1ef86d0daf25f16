"""Networks as settings: which architecture, and its sizes."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

from torch import nn

from sksubtomo._utils._docs import documented
from sksubtomo._utils._params import NumberInterval
from sksubtomo._utils._settings import Settings, store_parameters
from sksubtomo._utils._sklearn import StrOptions
from sksubtomo._utils._volumes import Shape3d
from sksubtomo.networks._liu2019 import Classifier3d, Decoder3d, Encoder3d
from sksubtomo.networks._monai import MonaiEncoder3d, monai_factory
from sksubtomo.networks._resnet import PooledClassifier3d, ResidualDecoder3d, ResidualEncoder3d

_MONAI = "monai:"
_SIZE = NumberInterval(Integral, 1, None, closed="left")


class NetworkSettings(Settings):
    """Base of the settings of a network, which make its parts.

    A subclass names the classes of encoder, decoder and classifier.
    """

    _encoder: ClassVar[type[nn.Module]]
    _decoder: ClassVar[type[nn.Module]]
    _classifier: ClassVar[type[nn.Module]]
    #: Settings that only the decoder reads.
    decoder_only: ClassVar[tuple[str, ...]] = ()

    _parameter_constraints: ClassVar[dict[str, list]] = {
        "n_blocks": [None, _SIZE],
        "n_filters": [_SIZE],
        "latent_dim": [None, _SIZE],
    }

    n_blocks: int | None
    n_filters: int
    latent_dim: int | None

    def code_length(self, default: Any) -> Any:
        """Return ``latent_dim``, or the default of whoever asks where it is None."""
        return default if self.latent_dim is None else self.latent_dim

    def encoder(self, volume_shape: Shape3d, latent_dim: int | None) -> Any:
        """Make an encoder.

        Parameters
        ----------
        volume_shape : tuple of int
            Edges of the box in voxels, z, y, x.
        latent_dim : int or None
            Length of the code; None leaves the dense layer out.

        Returns
        -------
        encoder : Module
            As :class:`Encoder3d`, with attributes ``feature_shape``, ``blocks`` and ``to_code``.
        """
        return self._encoder(
            volume_shape, n_blocks=self.n_blocks, n_filters=self.n_filters, latent_dim=latent_dim
        )

    def decoder(self, volume_shape: Shape3d, latent_dim: int) -> Any:
        """Make a decoder, as :class:`Decoder3d`, from latent codes to volumes of a shape."""
        return self._decoder(
            volume_shape, n_blocks=self.n_blocks, n_filters=self.n_filters, latent_dim=latent_dim
        )

    def classifier(self, feature_shape: tuple[int, ...], n_classes: int) -> Any:
        """Make a classifier, as :class:`Classifier3d`, of an encoder's feature maps."""
        return self._classifier(feature_shape, n_classes)


@documented
class Liu2019(NetworkSettings):
    """The convolutional network of Liu et al. [1]_.

    Blocks of a convolution and a max-pooling, a classifier of three dense layers after a batch
    normalization, and a mirrored decoder. The shortcut is ``network="liu2019"``.

    Parameters
    ----------
    n_blocks : int, optional
        Convolution blocks. By default as many as leave no edge of the feature map above 7 voxels:
        2 for boxes of 28 voxels, 4 for 64.
    %(n_filters)s
    %(latent_dim)s
    batch_norm_rows : {"all", "labeled"}, default="all"
        Whether all volumes of a batch enter the statistics of the classifier's batch
        normalization, or the labeled ones only. For
        :class:`~sksubtomo.semi_supervised.AutoencodingClassifier`; see its Notes.

    References
    ----------
    .. [1] Liu et al., "Semi-supervised macromolecule structural classification in cellular
       electron cryo-tomograms using 3D autoencoding classifier", BMVC 2019.

    Examples
    --------
    >>> from sksubtomo.networks import Liu2019
    >>> from sksubtomo.neural_network import CNNClassifier
    >>> CNNClassifier(network=Liu2019(n_filters=16))
    CNNClassifier(network=Liu2019(n_filters=16))
    """

    _encoder = Encoder3d
    _decoder = Decoder3d
    _classifier = Classifier3d
    _parameter_constraints: ClassVar[dict[str, list]] = {
        **NetworkSettings._parameter_constraints,
        "batch_norm_rows": [StrOptions({"all", "labeled"})],
    }

    def __init__(
        self,
        *,
        n_blocks: int | None = None,
        n_filters: int = 32,
        latent_dim: int | None = None,
        batch_norm_rows: str = "all",
    ) -> None:
        store_parameters(self, locals())


@documented
class ResNet(NetworkSettings):
    """Residual network with batch normalization and global average pooling [1]_.

    A pooling and a residual unit that doubles the channels make up a block; a single dense layer
    classifies. The shortcut is ``network="resnet"``.

    Parameters
    ----------
    n_blocks : int, optional
        Residual blocks. By default as many as leave no edge of the feature map below 4 voxels: 2
        for boxes of 16 voxels, 3 for 28 and 32, 4 for 64.
    %(n_filters)s
    %(latent_dim)s

    References
    ----------
    .. [1] He et al., "Deep residual learning for image recognition", CVPR 2016.

    Examples
    --------
    >>> from sksubtomo.networks import ResNet
    >>> from sksubtomo.neural_network import CNNClassifier
    >>> CNNClassifier(network="resnet").set_params(network__n_filters=16)
    CNNClassifier(network=ResNet(n_filters=16))
    """

    _encoder = ResidualEncoder3d
    _decoder = ResidualDecoder3d
    _classifier = PooledClassifier3d

    def __init__(
        self,
        *,
        n_blocks: int | None = None,
        n_filters: int = 32,
        latent_dim: int | None = None,
    ) -> None:
        store_parameters(self, locals())


@documented
class MONAINet(NetworkSettings):
    """Classification network of MONAI, without its last layer, as the encoder.

    The decoder is that of :class:`ResNet`. The shortcut of ``MONAINet("resnet18")`` is
    ``network="monai:resnet18"``. Needs the extra ``monai``.

    Parameters
    ----------
    name : str, default="resnet18"
        What ``monai.networks.nets`` calls the network, such as "resnet18" or "densenet121".
    n_blocks : int, optional
        Blocks of the decoder, by default as in :class:`ResNet`. The encoder has its own.
    n_filters : int, default=32
        Channels at full resolution in the decoder.
    %(latent_dim)s

    Examples
    --------
    >>> from sksubtomo.networks import MONAINet
    >>> MONAINet("densenet121")
    MONAINet(name='densenet121')
    """

    _decoder = ResidualDecoder3d
    _classifier = PooledClassifier3d
    decoder_only = ("n_blocks", "n_filters")
    _parameter_constraints: ClassVar[dict[str, list]] = {
        "name": [str],
        **NetworkSettings._parameter_constraints,
    }

    def __init__(
        self,
        name: str = "resnet18",
        *,
        n_blocks: int | None = None,
        n_filters: int = 32,
        latent_dim: int | None = None,
    ) -> None:
        store_parameters(self, locals())

    def _check(self) -> None:
        monai_factory(self.name)  # raises now what would be raised later

    def encoder(self, volume_shape: Shape3d, latent_dim: int | None) -> Any:
        """Make an encoder; see :meth:`NetworkSettings.encoder`."""
        return MonaiEncoder3d(self.name, volume_shape, latent_dim=latent_dim)


#: Shortcuts of networks, beside "monai:NAME".
NETWORKS: dict[str, type[NetworkSettings]] = {"liu2019": Liu2019, "resnet": ResNet}


def network_settings(network: str | NetworkSettings) -> NetworkSettings:
    """Return the settings that a shortcut stands for, and settings as they are.

    Parameters
    ----------
    network : str or NetworkSettings
        Settings; or a key of ``NETWORKS``: "liu2019" or "resnet"; or "monai:NAME" for a network of
        MONAI, such as "monai:resnet18" or "monai:densenet121".

    Raises
    ------
    ValueError
        If there is no such shortcut.

    Examples
    --------
    >>> network_settings("monai:resnet18")
    MONAINet()
    """
    if isinstance(network, NetworkSettings):
        return network
    if isinstance(network, str) and network.startswith(_MONAI):
        return MONAINet(network.removeprefix(_MONAI))
    if not isinstance(network, str) or network not in NETWORKS:
        known = ", ".join(repr(known) for known in NETWORKS)
        raise ValueError(
            f"network={network!r} is not known. Use one of {known}, 'monai:NAME' with the name of "
            "a network of MONAI, such as 'monai:resnet18', or an object such as "
            "sksubtomo.networks.ResNet(n_filters=16)."
        )
    return NETWORKS[network]()
