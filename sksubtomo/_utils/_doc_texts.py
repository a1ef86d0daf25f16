"""Texts that ``documented`` puts into docstrings, by name."""

from __future__ import annotations

#: Parameters, without their indentation. {default} is that of the constructor or function at hand.
PARAMETERS = """\
tilt_ranges_deg : array-like of shape (n_samples, 2), optional
    Lowest and highest tilt of each volume in degrees, instead of ``tilt_range_deg``.
imaging : Imaging, optional
    Tilts, axes and contrast transfer of each volume, see :class:`~sksubtomo.fourier.Imaging`; by
    default that of a stack that carries it.
network : str or network settings, default={default}
    Architecture. :class:`~sksubtomo.networks.Liu2019`, :class:`~sksubtomo.networks.ResNet` or
    :class:`~sksubtomo.networks.MONAINet`, which have its sizes; or, for one with default sizes,
    "liu2019", "resnet" or "monai:NAME", such as "monai:resnet18".
augmentation : {{"none", "rotations"}} or WedgeAwareRotations, default={default}
    Augmented views to train on: rotated over all orientations and shifted, the missing wedge cut
    afterwards. :class:`~sksubtomo.augmentation.WedgeAwareRotations` has the settings, that of
    test-time augmentation included; "rotations" is one with its defaults.
training : Training, default=None
    How to train: optimizer, schedule, validation, workers, progress bar. A
    :class:`~sksubtomo.training.{training}`{plain}; None is one with its defaults.
learning_rate : float, default={default}
    Learning rate of the optimizer; the highest one, if a schedule changes it.
batch_size : int, default={default}
    Volumes in a batch.
max_epochs : int, default={default}
    Passes over the training volumes, at most.
early_stopping : bool, default={default}
    Whether to hold out a part of the training volumes, to stop when their loss no longer falls, and
    to restore the best weights. See ``validation_fraction`` and ``n_iter_no_change`` of `training`.
warm_start : bool, default={default}
    Whether :meth:`fit` goes on from the last fit, with its network, optimizer and early
    stopping, which must not have changed.
volume_shape : int or (int, int, int), default={default}
    Box in voxels, z, y, x, of flat rows. Without it, a flat row is read as one line of voxels.
device : str, default={default}
    "cpu", "cuda", "cuda:1", "mps"...; "auto" takes a GPU if there is one that computes right.
precision : {{"auto", "float32", "tf32", "bfloat16"}}, default={default}
    Of the products in the network's layers; weights, losses, probabilities and results are
    float32. "auto" is float32 on CPUs and bfloat16 on GPUs from Ampere on. Reduced precision is
    only used where a self-test of the device passes, and never for boxes with an edge of 1.
random_state : int, RandomState instance or None, default={default}
    Determines initial weights, the order of samples and what is held out. The same integer gives
    the same bits on a CPU with the same number of threads.
class_weight : dict, "balanced" or None, default={default}
    Weights of the classes in the cross-entropy.
classes : array-like of shape (n_classes,), default={default}
    All classes. By default those that occur in `y`. Pass them where a subset of the data may lack
    a class, as in cross-validation with few labels.
n_filters : int, default={default}
    Channels of the first convolution.
latent_dim : int, default={default}
    Length of the code. None is the estimator's default: 128, or 50 for variational autoencoders.
    Estimators without a code refuse another value.
sparsity : float or "relative", default={default}
    Weight of the L1 norm of the code. "relative" is a hundredth of what the reconstruction gains,
    see :class:`JointLoss`, and the features that the code is computed from are centered, see
    :class:`~sksubtomo.networks.CenteredLinear`, so that neither the penalty nor the first steps
    kill the code. A number is the paper's loss with the paper's network. Its published code has
    1e-4: at low signal-to-noise ratios that costs more than a reconstruction can gain.
optimizer : {{"adam", "adamw"}}, default={default}
    "adamw" decouples the weight decay from the gradient.
betas : (float, float), default={default}
    Decay rates of the optimizer's running means.
weight_decay : float, default={default}
    L2 penalty on the weights; of "adamw", decay of the weights per unit of learning rate.
schedule : {{"constant", "one_cycle"}}, default={default}
    Of the learning rate. "one_cycle" rises to `learning_rate` and falls to 0 in `max_epochs`.
average_decay : float, default={default}
    Exponential decay of the average of the weights over the steps, which then predicts; 0 does not
    average. None is the estimator's default: 0.99 for
    :class:`~sksubtomo.semi_supervised.FixMatchClassifier` and
    :class:`~sksubtomo.semi_supervised.MeanTeacherClassifier`, otherwise 0.
labeled_share : float, default={default}
    Share of labeled volumes in every batch; 0 leaves batches as they come. None is the estimator's
    default: 0.25 for the two above, otherwise 0. Estimators that train on labeled volumes only, or
    without labels, refuse another value.
steps_per_epoch : int, default={default}
    Batches in an epoch, instead of one pass over the volumes.
validation_fraction : float, default={default}
    Share of the training volumes that ``early_stopping`` holds out: of labeled ones class by class,
    and never the last of a class. Only labels given to ``fit`` are used.
n_iter_no_change : int, default={default}
    Epochs without a better validation loss after which ``early_stopping`` ends the training.
standardize : bool, default={default}
    Whether two numbers, the mean and the standard deviation over all training voxels, bring the
    volumes to the network's scale.
n_workers : int, default={default}
    Processes that read batches ahead, for volumes in files.
keep_interrupted : bool, default={default}
    Whether a training that is interrupted, as by Ctrl-C, ends with the weights that it has. If not,
    ``fit`` raises ``KeyboardInterrupt``, and the estimator is what it was before.
accelerate : bool, default={default}
    Whether processes that a launcher started train together, sharing each batch. Needs the extra
    ``accelerate``.
verbose : int, default={default}
    Whether to show a progress bar.
box_size : int or (int, int, int), default={default}
    New edges in voxels, z, y, x. None leaves the box as it is.
n_jobs : int or None, default={default}
    Folds at the same time.
X : array-like of shape (n_samples, depth, height, width) or (n_samples, n_voxels)
    Volumes, axes z, y, x; or flat rows, see ``volume_shape``.
y_true : array-like of shape (n_samples,)
    Labels; -1, and with strings ``None`` or ``"unlabeled"``, mark rows to leave out.
y_prob : array-like of shape (n_samples, n_classes) or (n_samples,)
    Probabilities; one column is that of the second of two classes.
strategy : {{"uniform", "quantile"}}, default={default}
    Bins of equal width between 0 and 1, or with equally many rows each.
labels : array-like of shape (n_classes,), optional
    Classes of the columns, in their order. By default those that occur in `y_true`, sorted.
"""

#: Attributes of fitted estimators.
ATTRIBUTES = """\
classes_ : ndarray of shape (n_classes,)
    Classes, sorted, without the label that means "unlabeled".
n_features_in_ : int
    Number of voxels of a volume.
volume_shape_ : tuple of int
    Box in voxels, z, y, x.
net_ : skorch.NeuralNet
    The trained net; ``net_.module_`` is the PyTorch network.
n_iter_ : int
    Epochs trained.
precision_ : {{"float32", "tf32", "bfloat16"}}
    What products were computed in.
transduction_ : ndarray of shape (n_samples,)
    Labels of all volumes of :meth:`fit`: those given, else those predicted.
offset_, scale_ : float
    The two numbers of ``standardize`` in `training`.
history_ : list of dict
feature_names_in_ : ndarray of shape (n_features,)
    Names of the columns, if `X` was a data frame that has some.
box_size_ : tuple of int
    Box in voxels, z, y, x, of what :meth:`transform` returns.
"""

#: Sections, and descriptions whose name another one has.
SECTIONS = {
    "Parameters": "Parameters\n----------",
    "Attributes": "Attributes\n----------",
    "volumes": """\
Parameters
----------
X : array-like of shape (n_samples, depth, height, width) or (n_samples, n_voxels)
    Volumes of the shape that the estimator was fitted on.
""",
    "cubes": """\
Parameters
----------
X : array-like of shape (n_samples, d, d, d) or (n_samples, n_voxels)
    Volumes of the shape that the estimator was fitted on.
""",
    "imaged_cubes": """\
Parameters
----------
X : array-like of shape (n_samples, d, d, d) or (n_samples, n_voxels)
    Volumes of the shape that the estimator was fitted on.
tilt_ranges_deg : array-like of shape (n_samples, 2), optional
    Lowest and highest tilt of each volume in degrees, instead of ``tilt_range_deg``.
imaging : Imaging, optional
    Tilts, axes and contrast transfer of each volume, see :class:`~sksubtomo.fourier.Imaging`; by
    default that of a stack that carries it, else that of all volumes of :meth:`fit`.
""",
    "rows": """\
Parameters
----------
X : array-like of shape (n_samples, ...)
    Volumes.
""",
    "metadata": """\
**params : dict
    Metadata for the classifier, where scikit-learn's metadata routing is enabled.
""",
    "held_out_fit": """\
Parameters
----------
X : array-like of shape (n_samples, ...)
    Volumes, four-dimensional or flat rows.
y : array-like of shape (n_samples,)
    Labels, -1 where unlabeled; for strings also ``None`` and ``"unlabeled"``.
groups : array-like of shape (n_samples,), optional
    For example the tomogram of every volume, which folds do not take apart.
**params : dict
    Metadata for the classifier, where scikit-learn's metadata routing is enabled; in a fold, those
    of its volumes. What is chosen on held-out labels counts every labeled volume once, whatever the
    ``sample_weight``.

Returns
-------
self : object
    The fitted estimator.
""",
    "checkpoint": """\
checkpoint : path-like or Checkpoint, optional
    File that keeps what was done, about every two minutes and when the fit is interrupted. The same
    fit, run again with it, goes on from there and ends with the same bits; the file is then
    removed. :class:`~sksubtomo.persistence.Checkpoint` has the settings.
""",
    "fitted_self": """\
Returns
-------
self : object
    The fitted estimator.
""",
    "fitted_to_everything": """\
Attributes
----------
estimator_ : classifier
    The clone of `estimator`, fitted to everything.
""",
    "fitted_inside": """\
n_features_in_ : int
    Number of features, if the classifier has it.
feature_names_in_ : ndarray of shape (n_features,) of str
    Names of the columns, if `X` was a data frame.
""",
    "transduction_inside": """\
transduction_ : ndarray of shape (n_samples,)
    That of `estimator_`, if it has one and is not frozen: the labels of the volumes of
    :meth:`fit`.
""",
    "routing": """\
Returns
-------
routing : MetadataRouter
    As scikit-learn's metadata routing wants it.
""",
    "wrong_names": """\
Raises
------
ValueError
    If `input_features` are not as many as there were columns, or others than in :meth:`fit`.
""",
    "filtered": """\
Returns
-------
filtered : ndarray of the shape of `volumes`
    In single precision where the input is.
""",
    "table_of_particles": """\
Parameters
----------
path : Path
    The table's file.
table : DataFrame
    Of particles.
block : str
    Its name in the file.
""",
    "volume_in_a_file": """\
Attributes
----------
shape : (int, int, int)
    Voxels z, y, x.
dtype : dtype
    Of a voxel.
""",
    "maps_and_kernels": """\
Parameters
----------
maps : Tensor of shape (n, n_inputs, d, h, w)
    The maps.
weight : Tensor of shape (n_outputs, n_inputs, 3, 3, 3)
    The kernels.
""",
    "overwrite": """\
overwrite : bool, default=False
    Whether to replace an existing file.

Raises
------
FileExistsError
    If the file exists and `overwrite` is False.
""",
    "new_folder": """\
Raises
------
FileExistsError
    If the folder exists.
ImportError
    If pandas is not installed; it comes with ``pip install 'sksubtomo[data]'``.
""",
    "loss": """\
Returns
-------
loss : Tensor
    Scalar.
""",
    "tomogram": """\
Parameters
----------
tomogram : ndarray of shape (depth, height, width)
    Axes z, y, x.
""",
    "fix_match": """\
References
----------
Sohn et al., "FixMatch: simplifying semi-supervised learning with consistency and confidence",
NeurIPS 2020.

Berthelot et al., "ReMixMatch: semi-supervised learning with distribution alignment and
augmentation anchoring", ICLR 2020.

Wang et al., "FreeMatch: self-adaptive thresholding for semi-supervised learning", ICLR 2023.
""",
    "network_input": """\
Parameters
----------
volumes : Tensor of shape (n, 1, depth, height, width)
    The volumes.
labeled : Tensor of shape (n,) of bool, optional
    Not used.
""",
    "liu2019": """\
References
----------
Liu et al., "Semi-supervised macromolecule structural classification in cellular
electron cryo-tomograms using 3D autoencoding classifier", BMVC 2019.
""",
}

# The shared reference to the paper, of parts that its section 3.2 describes.
SECTIONS["liu2019_networks"] = SECTIONS["liu2019"].replace("2019.", "2019, section 3.2.")

_CLASSIFICATION = ("class_weight", "classes")
_COMMON = (
    *("network", "augmentation", "training", "learning_rate", "batch_size", "max_epochs"),
    *("early_stopping", "warm_start", "volume_shape", "device", "precision", "random_state"),
)
#: What stands for several descriptions, in this order. The last attribute is left without its
#: text, which is that of the class.
GROUPS = {
    "parameters_of_an_encoder": ("Parameters", *_COMMON),
    "parameters_of_a_classifier": (*_CLASSIFICATION, *_COMMON),
    "fitted": (
        *("n_features_in_", "volume_shape_", "net_", "n_iter_", "precision_", "offset_, scale_"),
        "history_",
    ),
    "fitted_classifier": (
        *("classes_", "n_features_in_", "volume_shape_", "net_", "n_iter_", "precision_"),
        *("offset_, scale_", "history_"),
    ),
    "parameters_of_a_transformer": ("Parameters", "volume_shape"),
    "parameters_of_a_smaller_box": ("Parameters", "box_size", "volume_shape"),
    "fitted_transformer": ("Attributes", "n_features_in_", "volume_shape_", "feature_names_in_"),
    "fitted_smaller_box": (
        *("Attributes", "n_features_in_", "volume_shape_", "feature_names_in_", "box_size_"),
    ),
    "rows_and_metadata": ("rows", "metadata"),
    "fitted_held_out": ("fitted_inside", "transduction_inside"),
    "training_settings": (
        *("optimizer", "betas", "weight_decay", "schedule", "average_decay", "labeled_share"),
        *("steps_per_epoch", "validation_fraction", "n_iter_no_change", "standardize"),
        *("n_workers", "accelerate", "keep_interrupted", "verbose"),
    ),
}
