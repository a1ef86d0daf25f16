"""
Trust a probability, and find volumes of no known class
=======================================================

Networks are overconfident: of the volumes to which they give a probability of 0.9, fewer than nine
in ten are right. :class:`~sksubtomo.calibration.TemperatureScaledClassifier` corrects this with one
number, chosen by cross-validation on the labeled volumes. And every classifier has to choose one of
its classes, also for a complex that it has never seen:
:class:`~sksubtomo.calibration.RejectingClassifier` answers -1 for those, at a stated loss of known
ones.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import roc_auc_score

from sksubtomo.calibration import RejectingClassifier, TemperatureScaledClassifier
from sksubtomo.datasets import make_subtomograms
from sksubtomo.metrics import expected_calibration_error, reliability_curve
from sksubtomo.model_selection import mask_labels
from sksubtomo.networks import Liu2019
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.plotting import add_scale_bar
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import MultiReferenceClassifier


def simulate(n_samples, classes, random_state, **params):
    """Return normalized volumes and labels."""
    X, y = make_subtomograms(
        n_samples, classes=classes, return_X_y=True, random_state=random_state, **params
    )
    return VolumeNormalizer().fit_transform(X), y


# %%
# Probabilities
# -------------
#
# A network is trained on 160 labeled volumes of four complexes. Its reliability diagram shows, in
# bins of confidence (the highest probability of a volume), the accuracy; the dotted line is where
# they agree.

names = ["apoferritin", "groel", "p97", "ribosome_70s"]
params = {"box_size": 12, "voxel_size_angstrom": 27.0, "snr": 1.0}
X, y = simulate(160, names, 0, **params)
X_test, y_test = simulate(500, names, 1, **params)
network = CNNClassifier(
    network=Liu2019(n_filters=16),
    learning_rate=1e-3,
    batch_size=16,
    max_epochs=40,
    early_stopping=False,
    random_state=0,
)
scaled = TemperatureScaledClassifier(network, cv=3).fit(X, y)
print(f"temperature {scaled.temperature_:.2f}")

figure, ax = plt.subplots(figsize=(4.6, 4.2), layout="constrained")
ax.plot([1 / 4, 1], [1 / 4, 1], color="gray", linestyle=":")
for name, classifier, style in (
    ("network", scaled.estimator_, {"color": "tab:orange", "marker": "s"}),
    ("after temperature scaling", scaled, {"color": "tab:blue", "marker": "o"}),
):
    probabilities = classifier.predict_proba(X_test)
    curve = reliability_curve(y_test, probabilities, n_bins=8)
    error = expected_calibration_error(y_test, probabilities)
    ax.plot(curve.confidence, curve.accuracy, label=f"{name}\nerror {error:.2f}", **style)
ax.set(xlabel="confidence", ylabel="accuracy on test volumes", title="Reliability diagram")
ax.legend(loc="upper left")

# %%
# Volumes of no known class
# -------------------------
#
# References of three complexes, fitted from five labels each, meet two complexes that they have no
# class for. ``method="likelihood"`` scores how well the best reference explains a volume. The
# threshold is set on held-out known volumes such that 5 % of them are lost.

known = ["glutamine_synthetase", "groel", "ribosome_70s"]
unknown = ["proteasome_20s", "aspartate_transcarbamoylase"]
params = {"kind": "single_particle", "box_size": 18, "voxel_size_angstrom": 18.0, "snr": 0.2}

X, y = simulate(150, known, 2, **params)
y = mask_labels(y, n_per_class=5, random_state=0)
references = MultiReferenceClassifier(random_state=0).fit(X, y)

X_held, y_held = simulate(100, known, 3, **params)
rejecting = RejectingClassifier(FrozenEstimator(references), method="likelihood")
rejecting.fit(X_held, y_held)

scores = {}
for name, classes in {"known": known, "unknown": unknown}.items():
    X_new, _ = simulate(150, classes, 4, **params)
    scores[name] = rejecting.score_samples(X_new)
    print(f"{name}: {np.mean(scores[name] < rejecting.offset_):.0%} rejected")
is_known = np.repeat([1, 0], [len(scores["known"]), len(scores["unknown"])])
area = roc_auc_score(is_known, np.concatenate([*scores.values()]))
print(f"area under the ROC curve {area:.3f}")

# %%
# The distributions of the scores, and the three unknown volumes of the lowest score.

figure = plt.figure(figsize=(10, 3.6), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(1.2, 1))
ax = left.subplots()
low, high = np.quantile(np.concatenate([*scores.values()]), [0.01, 0.99])
bins = np.linspace(low, high, 36)
for (name, values), color in zip(scores.items(), ("tab:blue", "tab:orange"), strict=True):
    ax.hist(np.clip(values, low, high), bins, color=color, alpha=0.65, label=f"{name} complexes")
ax.axvline(rejecting.offset_, color="black", linestyle="--", label="threshold")
ax.set(xlabel="score of the best reference", ylabel="volumes")
ax.legend()
lowest = np.argsort(scores["unknown"])[:3]
right.suptitle("Unknown complexes with the lowest scores", fontsize=10)
for ax, volume in zip(right.subplots(1, 3), X_new[lowest], strict=True):
    ax.imshow(volume[len(volume) // 2], cmap="gray", interpolation="bicubic")
    ax.set(xticks=[], yticks=[])
add_scale_bar(right.axes[0], 18.0, 100)
