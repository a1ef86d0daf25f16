"""Networks by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from sksubtomo.networks._liu2019 import Classifier3d, Decoder3d, Encoder3d
from sksubtomo.networks._monai import MonaiEncoder3d, monai_factory
from sksubtomo.networks._resnet import PooledClassifier3d, ResidualDecoder3d, ResidualEncoder3d

_MONAI = "monai:"


class Backbone(NamedTuple):
    """What makes the parts of a network.

    Parameters
    ----------
    encoder : callable
        As :class:`Encoder3d`: ``encoder(volume_shape, n_blocks=, n_filters=, latent_dim=)`` with
        attributes ``feature_shape``, ``blocks`` and ``to_code``.
    decoder : callable
        As :class:`Decoder3d`: ``decoder(volume_shape, n_blocks=, n_filters=, latent_dim=)``.
    classifier : callable
        As :class:`Classifier3d`: ``classifier(feature_shape, n_classes)`` with
        attribute ``n_classes``.
    """

    encoder: Callable[..., Any]
    decoder: Callable[..., Any]
    classifier: Callable[..., Any]


NETWORKS: Mapping[str, Backbone] = {
    "liu2019": Backbone(Encoder3d, Decoder3d, Classifier3d),
    "resnet": Backbone(ResidualEncoder3d, ResidualDecoder3d, PooledClassifier3d),
}


def resolve_backbone(name: str) -> Backbone:
    """Return what makes the parts of the network of that name.

    Parameters
    ----------
    name : str
        A key of ``NETWORKS``: "liu2019" or "resnet"; or "monai:NAME" for a network of
        MONAI, such as "monai:resnet18" or "monai:densenet121".

    Raises
    ------
    ImportError
        If the network is MONAI's, and MONAI is not installed.
    ValueError
        If there is no such network.

    Examples
    --------
    >>> resolve_backbone("resnet").encoder((16, 16, 16)).feature_shape
    (128, 1, 1, 1)
    """
    if isinstance(name, str) and name.startswith(_MONAI):
        monai_name = name.removeprefix(_MONAI)
        monai_factory(monai_name)  # raises now what would be raised later
        encoder = partial(MonaiEncoder3d, monai_name)
        return Backbone(encoder, ResidualDecoder3d, PooledClassifier3d)
    if not isinstance(name, str) or name not in NETWORKS:
        known = ", ".join(repr(known) for known in NETWORKS)
        raise ValueError(
            f"network={name!r} is not known. Use one of {known}, or 'monai:NAME' with the name of "
            "a network of MONAI, such as 'monai:resnet18'."
        )
    return NETWORKS[name]
