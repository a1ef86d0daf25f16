"""Encoder, decoder and classifier put together."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import nn

from sksubtomo._torch import PartSeeds
from sksubtomo._utils._volumes import Shape3d
from sksubtomo.networks._centered import center_features_
from sksubtomo.networks._settings import NetworkSettings, network_settings


class AutoencodingOutput(NamedTuple):
    """What :class:`AutoencodingNetwork` gives back; a branch that did not run is None.

    ``teacher_logits``, what a teacher says of other copies of the volumes, is put in by the net.
    """

    volumes: torch.Tensor
    code: torch.Tensor | None
    reconstruction: torch.Tensor | None
    logits: torch.Tensor | None
    teacher_logits: torch.Tensor | None = None


class AutoencodingNetwork(nn.Module):
    """One encoder shared by a decoder and a classifier, either of which can be left out.

    With the same seed, parts have the same initial weights, whatever parts there are.

    Parameters
    ----------
    volume_shape : tuple of int
        Edges of the box in voxels, z, y, x.
    n_classes : int or None
        Number of classes. None leaves the classifier out, which makes an autoencoder.
    network : str or NetworkSettings, default="liu2019"
        What makes the parts, see :func:`network_settings`. Of :class:`Liu2019`,
        ``batch_norm_rows`` says which rows of a training batch pass through the classifier, and so
        enter the statistics of its batch normalization. "all" is what the paper's text and its
        published implementation do; with "labeled", as Algorithm 1 is written, unlabeled volumes
        do not touch the classifier at all. The encoders of "resnet" and of MONAI have batch
        normalization, too, whose statistics are of all rows.
    latent_dim : int or None, default=128
        Length of the code, where `network` does not state one. None leaves code and decoder out,
        which makes a supervised network.
    reconstructs : bool, default=True
        Whether ``forward`` computes the code and runs the decoder, which costs most of the time.
    centers_features : bool, default=False
        Whether the features that the code is computed from are centered over each batch, see
        :class:`CenteredLinear`. It keeps Adam's first steps from killing the code. The paper's
        network does not center them.

    Raises
    ------
    ImportError
        If the network is MONAI's, and MONAI is not installed.
    ValueError
        If `network` is not known, or if the box is too small for it.

    References
    ----------
    Liu et al., "Semi-supervised macromolecule structural classification in cellular
    electron cryo-tomograms using 3D autoencoding classifier", BMVC 2019.
    """

    def __init__(
        self,
        volume_shape: Shape3d,
        n_classes: int | None,
        *,
        network: str | NetworkSettings = "liu2019",
        latent_dim: int | None = 128,
        reconstructs: bool = True,
        centers_features: bool = False,
    ) -> None:
        super().__init__()
        parts = network_settings(network)
        latent_dim = parts.code_length(latent_dim)
        self.batch_norm_rows = getattr(parts, "batch_norm_rows", "all")
        self.reconstructs = reconstructs and latent_dim is not None
        self.latent_dim = latent_dim
        seeds = PartSeeds()
        with seeds.of("encoder"):
            self.encoder = parts.encoder(volume_shape, latent_dim)
        # Methods of a branch that is left out are not to be called.
        self.classifier: Any = None
        self.decoder: Any = None
        if n_classes is not None:
            with seeds.of("classifier"):
                self.classifier = parts.classifier(self.encoder.feature_shape, n_classes)
        if latent_dim is not None:
            with seeds.of("decoder"):
                self.decoder = parts.decoder(volume_shape, latent_dim)
            if centers_features:
                center_features_(self.encoder)

    def forward(
        self, volumes: torch.Tensor, labeled: torch.Tensor | None = None
    ) -> AutoencodingOutput:
        """Run the branches.

        Parameters
        ----------
        volumes : Tensor of shape (n, 1, depth, height, width)
            The volumes.
        labeled : Tensor of shape (n,) of bool, optional
            Which volumes have a label; read in training mode when
            ``batch_norm_rows="labeled"``.

        Returns
        -------
        output : AutoencodingOutput
            The input, its code, reconstruction and logits. Logits of rows that the
            classifier did not see are 0.
        """
        if self.reconstructs:
            code, feature_map = self.encoder(volumes)
            reconstruction = self.decoder(code)
        else:
            code, feature_map, reconstruction = None, self.encoder.blocks(volumes), None
        logits = None if self.classifier is None else self._logits(feature_map, labeled)
        return AutoencodingOutput(volumes, code, reconstruction, logits)

    def _logits(self, feature_map: torch.Tensor, labeled: torch.Tensor | None) -> torch.Tensor:
        if not self.training or self.batch_norm_rows == "all" or labeled is None:
            return self.classifier(feature_map)
        seen = self.classifier(feature_map[labeled])
        logits = seen.new_zeros(len(feature_map), self.classifier.n_classes)
        logits[labeled] = seen
        return logits

    def classify(self, volumes: torch.Tensor) -> torch.Tensor:
        """Return class probabilities (n, n_classes) without running the decoder."""
        return self.logits(volumes).softmax(dim=1)

    def logits(self, volumes: torch.Tensor) -> torch.Tensor:
        """Return unnormalized log-probabilities (n, n_classes), without running the decoder."""
        return self.classifier(self.encoder.blocks(volumes))

    def features(self, volumes: torch.Tensor) -> torch.Tensor:
        """Return what the classifier reads, the feature maps as rows (n, n_features)."""
        return self.encoder.blocks(volumes).flatten(1)

    def encode(self, volumes: torch.Tensor) -> torch.Tensor:
        """Return latent codes (n, latent_dim)."""
        code, _ = self.encoder(volumes)
        return code

    def decode(self, code: torch.Tensor) -> torch.Tensor:
        """Return volumes (n, 1, depth, height, width) of latent codes (n, latent_dim)."""
        return self.decoder(code)

    def reconstruct(self, volumes: torch.Tensor) -> torch.Tensor:
        """Return the decoded latent codes of volumes, of the same shape."""
        return self.decode(self.encode(volumes))
