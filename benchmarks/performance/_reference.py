"""The reference: the paper's joint network in plain PyTorch, eager and float32.

Written as one would without this project, of which nothing is imported, so that PyTorch's own
settings hold in the whole process.
"""

import torch
from _harness import seconds_of
from torch import nn
from torch.nn import functional as F

LARGEST_FINAL_EDGE = 7
N_HIDDEN = 128


def pooled_edges(edge):
    """Return the edges of the feature maps from the input on, halved until none is above 7."""
    edges = [edge, (edge + 1) // 2]
    while edges[-1] > LARGEST_FINAL_EDGE:
        edges.append((edges[-1] + 1) // 2)
    return edges


class Network(nn.Module):
    """Encoder, dense layer, classifier and decoder of Liu et al., BMVC 2019.

    Parameters
    ----------
    edge : int
        Edge of the cubic box in voxels.
    n_classes, n_filters, latent_dim : int
        Classes, channels of every convolution, length of the code.
    """

    def __init__(self, edge, n_classes=8, n_filters=32, latent_dim=128):
        super().__init__()
        edges = pooled_edges(edge)
        n_features = n_filters * edges[-1] ** 3
        self.encoder, n_inputs = nn.Sequential(), 1
        for _ in edges[1:]:
            self.encoder.append(nn.Conv3d(n_inputs, n_filters, 3, padding=1))
            self.encoder.extend([nn.ReLU(), nn.MaxPool3d(2, ceil_mode=True)])
            n_inputs = n_filters
        self.code = nn.Sequential(nn.Flatten(), nn.Linear(n_features, latent_dim), nn.ReLU())
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.BatchNorm1d(n_features),
            *(nn.Linear(n_features, N_HIDDEN), nn.ReLU()),
            *(nn.Linear(N_HIDDEN, N_HIDDEN), nn.ReLU()),
            nn.Linear(N_HIDDEN, n_classes),
        )
        self.decoder = nn.Sequential(
            *(nn.Linear(latent_dim, n_features), nn.ReLU()),
            nn.Unflatten(1, (n_filters,) + (edges[-1],) * 3),
        )
        for size in edges[-2::-1]:
            self.decoder.append(nn.Upsample(size=(size,) * 3))
            self.decoder.extend([nn.Conv3d(n_filters, n_filters, 3, padding=1), nn.ReLU()])
        self.decoder.append(nn.Conv3d(n_filters, 1, 3, padding=1))

    def forward(self, volumes):
        """Return reconstructions, logits and codes of volumes (n, 1, edge, edge, edge)."""
        maps = self.encoder(volumes)
        code = self.code(maps)
        return self.decoder(code), self.classifier(maps), code


def train_step(network, optimizer, volumes, classes):
    """Take one step of the joint loss."""
    optimizer.zero_grad()
    reconstruction, logits, code = network(volumes)
    loss = F.mse_loss(reconstruction, volumes) + F.cross_entropy(logits, classes)
    loss = loss + 1e-4 * code.abs().sum() / len(volumes)
    loss.backward()
    optimizer.step()


def measure(edge, batch_size, task, device, repeats=5, n_classes=8, n_filters=32):
    """Return the seconds of some steps or forward passes, after one that warms up.

    Parameters
    ----------
    edge, batch_size : int
        Edge of the cubic box in voxels, and volumes in a batch.
    task : {"train", "predict"}
        A training step, or the forward pass of the whole network.
    device : {"cpu", "cuda"}
        Where to compute. On a GPU, PyTorch by default lets convolutions round to TF32.
    repeats : int
        Number of steps or passes.
    n_classes, n_filters : int
        As in the network.
    """
    torch.manual_seed(0)
    network = Network(edge, n_classes, n_filters).to(device).train(task == "train")
    volumes = torch.randn(batch_size, 1, *(edge,) * 3, device=device)
    classes = torch.arange(batch_size, device=device) % n_classes
    optimizer = torch.optim.Adam(network.parameters(), 1e-4, betas=(0.9, 0.99))

    def step():
        if task == "train":
            train_step(network, optimizer, volumes, classes)
        else:
            with torch.no_grad():
                network(volumes)

    return [seconds_of(step, device) for _ in range(repeats + 1)][1:]
