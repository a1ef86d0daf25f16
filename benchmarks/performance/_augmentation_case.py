"""Random copies of subtomograms."""

import torch
from _case import Case, make_volumes

from sksubtomo.augmentation import WedgeAwareAugmentation


class AugmentationCase(Case):
    """Random copies of a batch: rotated, shifted, the wedge cut."""

    unit = "batch"

    @property
    def parameters(self):
        """Box and batch."""
        return {"edge": self.edge(28), "batch_size": self.n_samples}

    @property
    def n_samples(self):
        """Volumes in a batch."""
        return self.profile.batch_sizes[28]

    def setup(self):
        """Make a batch."""
        volumes, _ = make_volumes(self.n_samples, self.edge(28))
        self.volumes = torch.from_numpy(volumes).unsqueeze(1).to(self.device)
        self.generator = torch.Generator().manual_seed(0)
        self.augmentation = WedgeAwareAugmentation()

    def run(self):
        """Copy the batch."""
        with torch.no_grad():
            self.augmentation(self.volumes, self.generator)
