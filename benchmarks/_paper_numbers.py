"""Tables 2 and 3 of Liu et al., BMVC 2019, by data set, method and fraction of labels."""

FRACTIONS = (0.05, 0.1, 0.2)

#: Table 2: accuracy on the test set.
ACCURACY = {
    "real": {
        "supervised": (0.1429, 0.3078, 0.8771),
        "self_trained": (0.2857, 0.4286, 0.5757),
        "pre_trained": (0.1429, 0.7157, 0.9403),
        "m1_m2": (0.7214, 0.7686, 0.7664),
        "joint": (0.7821, 0.8464, 0.9536),
    },
    "simulated": {
        "supervised": (0.1778, 0.2892, 0.3356),
        "self_trained": (0.1735, 0.2556, 0.3219),
        "pre_trained": (0.3804, 0.5919, 0.7515),
        "m1_m2": (0.1667, 0.1800, 0.1719),
        "joint": (0.5027, 0.7144, 0.7785),
    },
}

#: Table 3: mean squared error of the reconstruction of the test set. The autoencoder has no labels.
ERROR = {
    "real": {"autoencoder": (0.0147,) * 3, "joint": (0.0050, 0.0049, 0.0054)},
    "simulated": {"autoencoder": (1.2464,) * 3, "joint": (0.8357, 0.1491, 0.1793)},
}

#: Share of labels of unlabeled volumes that self-training asks for, found by the paper's search.
THRESHOLD = {"real": 0.6, "simulated": 0.95}
