"""The bare loop: network, loss and optimizer of a fitted estimator, and nothing around them."""

import torch


def make_batches(volumes, codes, batch_size, device, offset=0.0, scale=1.0):
    """Return batches on the device: volumes, whether they have a label, and class indices."""
    batches = []
    for start in range(0, len(volumes), batch_size):
        part = torch.from_numpy(volumes[start : start + batch_size]).unsqueeze(1)
        labels = torch.from_numpy(codes[start : start + batch_size])
        batch = ((part - offset) / scale, labels >= 0, labels)
        batches.append([tensor.to(device) for tensor in batch])
    return batches


def train_epoch(net, batches):
    """Take a step for every batch.

    The network's precision, random copies and teachers belong to the method, so the net's
    ``infer`` runs it; weights are not averaged.
    """
    module, criterion, optimizer = net.module_, net.criterion_, net.optimizer_
    module.train()
    for volumes, labeled, codes in batches:
        optimizer.zero_grad()
        output = net.infer({"volumes": volumes, "labeled": labeled})
        criterion(output, codes).backward()
        optimizer.step()


@torch.inference_mode()
def predict(function, batches):
    """Apply a method of the network to every batch, and take the results to the CPU."""
    return [function(volumes).cpu() for volumes, _, _ in batches]
