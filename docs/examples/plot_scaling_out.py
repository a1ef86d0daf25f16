"""
Predict and search on many workers
==================================

Work that is repeated, such as the fits of a search or the predictions for many particles, goes to
several processes, and with dask to several computers. Results do not depend on how many workers
there are. Here the cluster is on this computer, to try it out; the same code works with
``Client("tcp://host:8786")`` or a ``SLURMCluster``. It needs ``pip install
"sksubtomo[distributed]"``, and without it uses one process.
"""

import contextlib
import importlib.util
import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV

from sksubtomo.datasets import make_subtomograms
from sksubtomo.model_selection import SemiSupervisedSplit, mask_labels
from sksubtomo.networks import Liu2019
from sksubtomo.parallel import parallel_predict, use_dask
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import AutoencodingClassifier

# %%
# Data
# ----

data = make_subtomograms(
    240,
    classes=["apoferritin", "groel", "ribosome_70s"],
    box_size=12,
    voxel_size_angstrom=27.0,
    snr=4.0,
    max_shift_voxels=0.0,
    random_state=0,
)
X = VolumeNormalizer().fit_transform(data.X)
y = mask_labels(data.y, labeled_fraction=0.3, random_state=0)
hidden = y == -1

clf = AutoencodingClassifier(
    network=Liu2019(n_filters=8),
    learning_rate=1e-3,
    batch_size=16,
    max_epochs=12,
    early_stopping=False,
    random_state=0,
)
grid = {"alpha": [0.0, 0.1, 1.0]}
search = GridSearchCV(clf, grid, cv=SemiSupervisedSplit(2))

# %%
# A cluster
# ---------
#
# Within :func:`~sksubtomo.parallel.use_dask`, ``n_jobs`` of scikit-learn and of this package means
# the workers of the cluster. Give each worker one thread: a fit computes with that. In a script
# that makes a ``LocalCluster`` of *processes*, put this under ``if __name__ == "__main__":``; here
# workers are threads, which need no such line.

stack, client = contextlib.ExitStack(), None
if importlib.util.find_spec("distributed"):
    from distributed import Client, LocalCluster

    cluster = stack.enter_context(
        LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None)
    )
    client = stack.enter_context(Client(cluster))
    client.get_task_stream()  # note from now on which task ran where, for the figure below
    stack.enter_context(use_dask(client))

# %%
# Search, and predict in shards
# -----------------------------
#
# ``parallel_predict`` cuts the volumes into shards, has each predicted by a worker, and puts the
# rows together in order. A shard whose worker died is done again by another one.

search.set_params(n_jobs=None if client is None else -1)
tasks = []
with stack:
    start = time.time()
    search.fit(X, y)
    found = time.time()
    probabilities = parallel_predict(search.best_estimator_, X, shard_size=30)
    if client is not None:
        tasks = client.get_task_stream(start=start)
print(f"best: {search.best_params_}")
print(f"accuracy {search.score(X[hidden], data.y[hidden]):.3f} on the unlabeled volumes")

# %%
# Tasks by worker
# ---------------
#
# Tasks of the cluster by worker: the fits of the search (left), and the shards of the prediction
# (right), each from the beginning of its first task on. The final fit of the search runs in this
# process, between the two.

steps = [
    (task["worker"], step["start"], step["stop"])
    for task in tasks
    for step in task["startstops"]
    if step["action"] == "compute"
]
workers = sorted({worker for worker, *_ in steps})
figure, axes = plt.subplots(1, 2, figsize=(9, 2.4), sharey=True, layout="constrained")
for ax, name, color in zip(axes, ("search", "prediction"), ("tab:blue", "tab:orange"), strict=True):
    shown = [step for step in steps if (step[1] < found) == (name == "search")]
    first = min((began for _, began, _ in shown), default=0.0)
    ax.barh(
        [workers.index(worker) for worker, *_ in shown],
        [stop - began for _, began, stop in shown],
        left=[began - first for _, began, _ in shown],
        color=color,
        edgecolor="white",
        height=0.6,
    )
    ax.set(xlabel="seconds", title=f"{name}, {len(shown)} tasks", xlim=(0, None))
axes[0].set_yticks(range(len(workers)))
axes[0].set_yticklabels([f"worker {number + 1}" for number in range(len(workers))])

# %%
# Without a cluster
# -----------------
#
# The same search and prediction in this process have the same results: all fits have a seed, and
# what a worker computes does not depend on the others.

alone = GridSearchCV(clf, grid, cv=SemiSupervisedSplit(2)).fit(X, y)
difference = np.abs(probabilities - alone.predict_proba(X)).max()
print(f"largest difference of a probability: {difference:.1e}")
