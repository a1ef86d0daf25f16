"""Bare loops: network, loss and optimizer of a fitted estimator, without what is around them."""

from typing import Any, NamedTuple

import torch
from _harness import seconds_of

from sksubtomo._utils._allocator import keeping_freed_memory
from sksubtomo._utils._batches import rows_per_batch

_METHOD_OF_NETWORK = {"predict_proba": "classify", "transform": "encode"}


class Stage(NamedTuple):
    """Net of one stage of a fit, and its batches: volumes, whether they are labeled, targets."""

    net: Any
    batches: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]


def training_stages(fitted, X, y, device):
    """Return the stages of a fit: pre-training, where there was any, and the estimator's own."""
    pre_trained = getattr(fitted, "autoencoder_", None)
    rows_of = [] if pre_trained is None else [(pre_trained.net_, slice(None))]
    rows_of.append((fitted.net_, slice(None) if fitted.learns_from_unlabeled else y != -1))
    volumes = (X - fitted.offset_) / fitted.scale_
    return [
        Stage(net, _make_batches(volumes[rows], y[rows], fitted.batch_size, device))
        for net, rows in rows_of
    ]


def seconds_of_epoch(stages, device):
    """Return the seconds of one step for every batch of every stage.

    Precision, augmented views and teachers belong to the method, so the net's ``infer`` runs the
    network; weights are not averaged.
    """

    def train():
        for net, batches in stages:
            net.module_.train()
            for volumes, labeled, targets in batches:
                net.optimizer_.zero_grad()
                output = net.infer({"volumes": volumes, "labeled": labeled})
                net.criterion_(output, targets).backward()
                net.optimizer_.step()

    with keeping_freed_memory():  # as in a fit
        return seconds_of(train, device)


def seconds_of_prediction(fitted, method, X, y, device):
    """Return the seconds of the network alone, in batches of the estimator's own size."""
    function = fitted.net_.prediction_function(_METHOD_OF_NETWORK[method])
    batches = _make_batches(X, y, rows_per_batch(X[0].size, device), device)
    fitted.net_.predictor_.eval()

    @torch.inference_mode()
    def predict():
        return [function(volumes).cpu() for volumes, _, _ in batches]

    with keeping_freed_memory():
        predict()  # allocates the memory again that the estimator has freed
        return seconds_of(predict, device)


def _make_batches(volumes, targets, batch_size, device):
    tensors = torch.from_numpy(volumes).unsqueeze(1), torch.from_numpy(targets)
    parts = zip(*(tensor.to(device).split(batch_size) for tensor in tensors), strict=True)
    return [(batch, targets >= 0, targets) for batch, targets in parts]
