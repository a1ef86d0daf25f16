"""Copies, averaged weights, teacher and schedule of the net, against doing it by hand."""

import pickle

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from sksubtomo import training as training_package
from sksubtomo.augmentation import WedgeAwareAugmentation
from sksubtomo.networks import AutoencodingNetwork, Liu2019
from sksubtomo.training import FitSettings, JointLoss, Plan, Training, ViewPolicy, VolumeDataset
from sksubtomo.training._callbacks import TrainingEnd


class Watch(Callback):
    """Keeps the weights and the learning rate after every step."""

    def __init__(self):
        self.weights, self.rates = [], []

    def on_batch_end(self, net, training, **kwargs):
        if training:
            self.rates.append(net.optimizer_.param_groups[0]["lr"])
            state = net.module_.state_dict()
            self.weights.append({name: value.clone() for name, value in state.items()})


def dataset(n=24):
    rng = np.random.default_rng(0)
    codes = np.where(np.arange(n) % 3, -1, np.arange(n) % 2)
    return VolumeDataset(rng.normal(size=(n, 8, 8, 8)).astype(np.float32), codes)


def make_net(views=ViewPolicy(), latent_dim=None, callbacks=(), epochs=2, **training):  # noqa: B008
    network = Liu2019(n_filters=3)
    settings = FitSettings(
        network=network,
        augmentation=None,
        training=Training(**training).complete(Training, average_decay=0.0, labeled_share=0.0),
        latent_dim=latent_dim,
        learning_rate=1e-2,
        batch_size=8,
        max_epochs=epochs,
        early_stopping=False,
        device="cpu",
        precision="auto",
    )
    params = {
        "volume_shape": (8, 8, 8),
        "n_classes": 2,
        "network": network,
        "latent_dim": latent_dim,
    }
    plan = Plan(AutoencodingNetwork, params, JointLoss(), views, callbacks=tuple(callbacks))
    net = training_package.make_net(plan, settings, init_seed=0, shuffle_seed=1)
    net.apply(plan, settings)
    return net


def a_batch(n=6):
    return {"volumes": torch.randn(n, 1, 8, 8, 8), "labeled": torch.arange(n) % 2 == 0}


def test_averaged_weights_follow_their_recursion():
    watch = Watch()
    net = make_net(callbacks=[watch], average_decay=0.6).partial_fit(dataset())
    expected = {name: value.double() for name, value in watch.weights[0].items()}
    for step, weights in enumerate(watch.weights[1:], start=2):
        decay = min(0.6, (step - 1) / (step + 9))
        for name, value in weights.items():
            kept = expected[name] if value.is_floating_point() else 0
            decay_here = decay if value.is_floating_point() else 0
            expected[name] = decay_here * kept + (1 - decay_here) * value.double()
    for name, value in net.averaged_.state_dict().items():
        torch.testing.assert_close(value.double(), expected[name], rtol=1e-5, atol=1e-6)
    assert net.predictor_ is net.averaged_


def test_averaging_leaves_the_training_alone():
    plain, averaging = Watch(), Watch()
    make_net(callbacks=[plain]).partial_fit(dataset())
    net = make_net(callbacks=[averaging], average_decay=0.9).partial_fit(dataset())
    for name, value in plain.weights[-1].items():
        assert torch.equal(value, averaging.weights[-1][name])
    trained = {id(p) for group in net.optimizer_.param_groups for p in group["params"]}
    assert trained == {id(p) for p in net.module_.parameters()}


def test_pickle_keeps_averaged_weights_and_drops_the_schedule():
    net = make_net(average_decay=0.5, schedule="one_cycle").partial_fit(dataset())
    again = pickle.loads(pickle.dumps(net))
    for name, value in net.averaged_.state_dict().items():
        assert torch.equal(again.averaged_.state_dict()[name], value)


def test_one_cycle_rises_and_falls_over_the_whole_training():
    watch = Watch()
    net = make_net(callbacks=[watch], epochs=10, schedule="one_cycle", betas=(0.5, 0.9))
    net.partial_fit(dataset())
    rates = np.array(watch.rates)
    assert len(rates) == 30
    assert rates[0] == pytest.approx(1e-2 / 25)
    assert rates.argmax() == 9  # three tenths of the way
    assert rates.max() == pytest.approx(1e-2)
    assert (np.diff(rates[:10]) > 0).all()
    assert (np.diff(rates[9:]) < 0).all()
    assert rates[-1] < 1e-4
    assert net.optimizer_.param_groups[0]["betas"] == (0.5, 0.9)


def test_one_cycle_knows_that_rows_may_join():
    class Join(Callback):
        def on_epoch_begin(self, net, dataset_train=None, **kwargs):
            if len(net.history) == 6:
                dataset_train.rows = np.arange(24)

    watch, data = Watch(), dataset()
    data.rows = np.arange(8)
    make_net(callbacks=[Join(), watch], epochs=10, schedule="one_cycle").partial_fit(data)
    assert len(watch.rates) == 5 + 5 * 3
    assert np.argmax(watch.rates) == 3
    assert watch.rates[10] > 1e-3  # in the seventh epoch of ten


def test_optimizers():
    assert type(make_net().optimizer_) is torch.optim.Adam
    assert type(make_net(optimizer="adamw").optimizer_) is torch.optim.AdamW


def test_network_sees_copies_in_training_and_fixed_ones_else():
    augmentation = WedgeAwareAugmentation(60.0)
    net = make_net(ViewPolicy(augmentation), latent_dim=4)
    batch = a_batch()
    net.module_.train()
    first, second = net.infer(batch).volumes, net.infer(batch).volumes
    assert not torch.allclose(first, second)
    net.module_.eval()
    expected = augmentation(batch["volumes"], torch.Generator().manual_seed(1))
    for _ in range(2):
        torch.testing.assert_close(net.infer(batch).volumes, expected)


def test_every_volume_has_its_own_tilt_range():
    net = make_net(ViewPolicy(WedgeAwareAugmentation(60.0)))
    data = dataset()
    data.tilt_ranges_deg = np.linspace([-60, 10], [-20, 70], len(data))
    inputs, _ = data.__getitems__([3, 7])
    tilts = torch.from_numpy(data.tilt_ranges_deg[[3, 7]])
    generator = torch.Generator().manual_seed(1)
    expected = WedgeAwareAugmentation(60.0)(inputs["volumes"], generator, tilts)
    net.module_.eval()
    torch.testing.assert_close(net.infer(inputs).volumes, expected)


def test_corrupted_copies_have_clean_targets():
    augmentation = WedgeAwareAugmentation(60.0)
    corruption = WedgeAwareAugmentation(60.0, rotate=False, noise_std=5.0)
    net = make_net(ViewPolicy(augmentation, corruption, clean_target=True), latent_dim=4)
    batch = a_batch()
    net.module_.train()
    output = net.infer(batch)
    expected = augmentation(batch["volumes"], torch.Generator().manual_seed(1))
    torch.testing.assert_close(output.volumes, expected)
    net.module_.eval()
    unspoilt = net.module_(expected).reconstruction
    net.module_.train()
    assert not torch.allclose(output.reconstruction, unspoilt)


@pytest.mark.parametrize("teacher", ["self", "average"])
def test_teacher_sees_other_copies_without_gradient(teacher):
    augmentation = WedgeAwareAugmentation(60.0)
    net = make_net(ViewPolicy(augmentation, teacher=teacher), average_decay=0.5)
    with torch.no_grad():
        net.averaged_.classifier.layers[-1].bias += 1.0
    batch = a_batch()
    net.module_.train()
    output = net.infer(batch)
    assert not output.teacher_logits.requires_grad
    assert net.module_.training
    generator = torch.Generator().manual_seed(1)
    augmentation(batch["volumes"], generator)  # the network's own copies come first
    others = augmentation(batch["volumes"], generator)
    network = (net.averaged_ if teacher == "average" else net.module_).eval()
    torch.testing.assert_close(output.teacher_logits, network.logits(others))


def test_several_copies_come_one_set_after_the_other():
    net = make_net(ViewPolicy(WedgeAwareAugmentation(None, rotate=False), n_views=2))
    batch = a_batch(3)
    torch.testing.assert_close(
        net.infer(batch).volumes, torch.cat([batch["volumes"], batch["volumes"]])
    )


class Interrupting(Callback):
    """Raises in the middle of the second epoch, as Ctrl-C would."""

    def __init__(self, error):
        self.error, self.n_batches, self.n_ends = error, 0, 0

    def on_batch_begin(self, net, training=False, **kwargs):
        self.n_batches += 1
        if self.n_batches == 5:  # three batches an epoch
            raise self.error

    def on_train_end(self, net, **kwargs):
        self.n_ends += 1


def test_an_interrupt_is_raised_once_callbacks_have_ended_the_training():
    error = KeyboardInterrupt("Ctrl-C")
    watch = Interrupting(error)
    net = make_net(callbacks=[watch])
    with pytest.raises(KeyboardInterrupt) as caught:
        net.partial_fit(dataset())
    assert caught.value is error
    assert watch.n_ends == 1
    # The net can go on, and be pickled.
    net.partial_fit(dataset())
    assert watch.n_ends == 2
    assert pickle.loads(pickle.dumps(net)).module_ is not None


def test_an_interrupted_training_is_kept_where_asked():
    watch = Interrupting(KeyboardInterrupt())
    net = make_net(callbacks=[watch], keep_interrupted=True).partial_fit(dataset())
    assert watch.n_ends == 1
    assert len(net.history) == 2


def test_a_callback_that_ends_the_training_is_no_interrupt():
    net = make_net(callbacks=[Interrupting(TrainingEnd())]).partial_fit(dataset())
    assert len(net.history) == 2
