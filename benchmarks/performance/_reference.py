"""The reference: the paper's joint network as anyone would write it in PyTorch, eager and float32.

    python benchmarks/performance/_reference.py --edge 28 --batch-size 64 --task train

Nothing of the package is imported, so that the process has PyTorch's own settings throughout. One
line of JSON goes to the standard output stream, with the seconds of every step.
"""

import argparse
import json
import time

import torch
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


def synchronize(device):
    if device == "cuda":
        torch.cuda.synchronize()


def measure(options):
    """Return the seconds of every step after one that warms up."""
    torch.manual_seed(0)
    network = Network(options.edge, options.n_classes, options.n_filters).to(options.device)
    shape = (options.batch_size, 1, *(options.edge,) * 3)
    volumes = torch.randn(shape, device=options.device)
    classes = torch.arange(options.batch_size, device=options.device) % options.n_classes
    optimizer = torch.optim.Adam(network.parameters(), 1e-4, betas=(0.9, 0.99))
    network.train(options.task == "train")
    seconds = []
    for _ in range(options.repeats + 1):
        synchronize(options.device)
        start = time.perf_counter()
        if options.task == "train":
            train_step(network, optimizer, volumes, classes)
        else:
            with torch.no_grad():
                network(volumes)
        synchronize(options.device)
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--edge", type=int, default=28, help="of the box in voxels")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--task", choices=["train", "predict"], default="train")
    parser.add_argument("--repeats", type=int, default=5, help="steps that are timed")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--n-classes", type=int, default=8)
    parser.add_argument("--n-filters", type=int, default=32)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    print(json.dumps({"seconds": measure(options)}))


if __name__ == "__main__":
    main()
