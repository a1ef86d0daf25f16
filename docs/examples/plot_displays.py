"""
Look at candidates, predictions and averages
============================================

Look at a few particles of every class before you trust a number. This example draws every display
of :mod:`sksubtomo.plotting`, at the width of a column, for the candidates of a picker and two
classifiers. All of them are also in the page that :func:`sksubtomo.reports.make_report` makes; see
:ref:`reports`.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial import KDTree
from sklearn.pipeline import make_pipeline

from sksubtomo.alignment import Annealing
from sksubtomo.datasets import load_density, make_tomogram
from sksubtomo.io import extract_subtomograms
from sksubtomo.model_selection import SemiSupervisedSplit, cross_val_predict
from sksubtomo.networks import ResNet
from sksubtomo.picking import TemplateMatchingPicker
from sksubtomo.plotting import (
    ClassAverageDisplay,
    GalleryDisplay,
    LabeledConfusionMatrixDisplay,
    LatentMapDisplay,
    OrientationDisplay,
    PrecisionRecallDisplay,
    ReliabilityDisplay,
    TomogramPicksDisplay,
    TrainingHistoryDisplay,
)
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import AutoencodingClassifier, MultiReferenceClassifier

plt.rcParams["figure.dpi"] = 200

# %%
# Candidates
# ----------
#
# Two simulated tomograms of GroEL and ribosomes, and candidates by template matching with GroEL.

voxel_size_angstrom, box_size = 16.0, 20
template = -load_density("groel", voxel_size_angstrom=voxel_size_angstrom)
picker = TemplateMatchingPicker(template, angular_step_deg=60.0, symmetry="D7", max_picks=60)
tomograms, parts = {}, []
for seed, tomogram_name in enumerate(["TS_001", "TS_002"]):
    data = make_tomogram(
        ["groel", "ribosome_70s"],
        n_particles=44,
        shape=(40, 150, 150),
        box_size=box_size,
        voxel_size_angstrom=voxel_size_angstrom,
        snr=0.2,
        random_state=seed,
    )
    picks = picker.pick(data.tomogram)
    distances, nearest = KDTree(data.coordinates).query(picks.coordinates)
    tomograms[tomogram_name] = data.tomogram
    parts.append(
        {
            "X": extract_subtomograms(data.tomogram, picks.coordinates, box_size, border="noise"),
            "coordinates": picks.coordinates,
            "scores": picks.scores,
            "truth": np.where(distances < 4, data.y[nearest] + 1, 3),
            "tomogram_names": np.full(len(picks.coordinates), tomogram_name),
        }
    )
candidates = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
X, coordinates = candidates["X"], candidates["coordinates"]
class_names = {1: "GroEL", 2: "ribosome", 3: "neither"}

# %%
# An expert has looked at half of them. The others are unlabeled.

y = candidates["truth"].copy()
y[np.random.default_rng(0).permutation(len(y))[60:]] = -1

# %%
# Two classifiers learn from the same labels: one by references, the other an autoencoding network.
# Candidates that are neither have no structure in common, so that references disagree with some of
# their labels, and the fit warns of it.

references = make_pipeline(
    VolumeNormalizer(),
    MultiReferenceClassifier(
        annealing=Annealing(stages=[(3, 60, 1, 4), (5, 40, 2, 4), (6, 30, 2, 4)]), random_state=0
    ),
)
network = make_pipeline(
    VolumeNormalizer(),
    AutoencodingClassifier(
        network=ResNet(n_filters=8),
        learning_rate=2e-3,
        max_epochs=20,
        batch_size=32,
        random_state=0,
    ),
)
for clf in (references, network):
    clf.fit(X, y)
proba = references.predict_proba(X)
predicted = references.classes_[proba.argmax(axis=1)]

# %%
# Boxes by class and probability
# ------------------------------
#
# A row for each predicted class, from the most to the least probable. Numbers are probabilities. A
# red frame is a label of another class.

options = {"class_names": class_names, "voxel_size_angstrom": voxel_size_angstrom}
gallery = GalleryDisplay.from_predictions(X, proba, y, classes=references.classes_, **options)

# %%
# Particles in a tomogram
# -----------------------
#
# The slice is where particles are most.

of_first = candidates["tomogram_names"] == "TS_001"
picks_display = TomogramPicksDisplay.from_predictions(
    tomograms["TS_001"],
    coordinates[of_first],
    predicted[of_first],
    box_size=box_size,
    n_slices=1,
    **options,
)

# %%
# Class averages
# --------------
#
# Slices across z, y and x, filtered at their resolution, and the Fourier shell correlation of half
# maps. "Neither" has no structure of its own: its average shows what particles it got.

averages = ClassAverageDisplay.from_estimator(
    references, X, poses=references[-1].poses_, refine=False, **options
)

# %%
# Orientations
# ------------
#
# The direction of the beam in the frame of each reference. A uniform distribution has one color; of
# about fifty particles a class, numbers scatter.

orientations = OrientationDisplay.from_estimator(references, class_names=class_names)

# %%
# Latent codes
# ------------
#
# Of the network, in the first two principal components. Colors are classes, labels, probabilities
# or tomograms. Tomograms that lie apart would be a warning: the network has learned how they
# differ.

latents = LatentMapDisplay.from_estimator(
    network, X, y, tomogram_names=candidates["tomogram_names"], class_names=class_names
)
for color_by in ("label", "probability", "tomogram"):
    latents.plot(color_by=color_by, class_names=class_names)

# %%
# Training
# --------
#
# First of the network, with the variance that reconstructions explain and the live units of the
# code; then of the references, with their agreement with labels that were left out of them.

of_network = TrainingHistoryDisplay.from_estimator(network)
of_references = TrainingHistoryDisplay.from_estimator(references)

# %%
# Right or wrong
# --------------
#
# Figures of accuracy need predictions by classifiers that did not learn from the label: out-of-fold
# ones. In precision and recall, the score of the picker is beside, and the diamond is what a
# threshold of 0.5 keeps. Recall is of the candidates, not of all particles in the tomograms.

held_out = cross_val_predict(network, X, y, cv=SemiSupervisedSplit(3), method="predict_proba")
precision_recall = PrecisionRecallDisplay.from_predictions(
    y, held_out[:, 0], pos_label=1, picker_scores=candidates["scores"], name="GroEL"
)

# %%
# Whether probabilities are calibrated, with intervals that are wide of sixty labels:

reliability = ReliabilityDisplay.from_predictions(y, held_out, labels=network.classes_, n_bins=6)

# %%
# Which classes are mixed up, among the labeled candidates:

said = network.classes_[np.nan_to_num(held_out).argmax(axis=1)]
confusion = LabeledConfusionMatrixDisplay.from_predictions(
    y, said, display_labels=list(class_names.values())
)
