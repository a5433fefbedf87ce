"""The Neural Statistician: its bound and answers beside plain forms, set by set; its size; slopes; that it learns."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Independent, Normal, kl_divergence

from tests.glyph_tasks import SIDE
from tests.helpers import AUTO_MAML_1SHOT
from tests.methods.learning import above_nearest_neighbour
from tests.synthetic import check_slope, labelled
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.errors import SettingsError
from tnas_cli.methods import statistician, task_noise
from tnas_cli.methods.registry import training_method
from tnas_cli.methods.statistician import NeuralStatistician, sets_of
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.parameters import Parameters, count, draw
from tnas_cli.spaces.statistician_network import StatisticianNetwork

NETWORK = StatisticianNetwork(3, 1, 20, filters=2)
BATCH = TaskBatch(*labelled(2, 3, 1, 1, 20, seed=1), *labelled(2, 3, 3, 1, 20, seed=2), way=3)
METHOD = training_method("neural-statistician")


def parameters(network: StatisticianNetwork = NETWORK) -> Parameters:
    """In float64, with gains away from 1 and biases away from 0."""
    generator = torch.Generator().manual_seed(0)
    found = {name: tensor.double() for name, tensor in draw(network.specs(), generator).items()}
    for name, tensor in found.items():
        if name.endswith(("bias", "gain")):
            tensor += 0.1 * torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
    return found


class Plain:
    """The networks of one task with ordinary layers."""

    def __init__(self, w: Parameters, network: StatisticianNetwork = NETWORK) -> None:
        self.w, self.network = w, network

    def norm(self, prefix: str, x: Tensor) -> Tensor:
        return F.batch_norm(x, None, None, self.w[f"{prefix}.gain"], self.w[f"{prefix}.bias"], training=True)

    def linear(self, prefix: str, x: Tensor) -> Tensor:
        return F.linear(x, self.w[f"{prefix}.weight"], self.w[f"{prefix}.bias"])

    def conv(self, prefix: str, x: Tensor, stride: int = 1, padding: int = 1) -> Tensor:
        y = F.conv2d(x, self.w[f"{prefix}.conv"], self.w[f"{prefix}.conv_bias"], stride, padding)
        return F.elu(self.norm(prefix, y))

    def features(self, x: Tensor) -> Tensor:
        for layer in range(9):
            x = self.conv(f"encoder.{layer}", x, 2 if layer in (2, 5, 8) else 1)
        return x.flatten(1)

    def normal(self, prefix: str, x: Tensor) -> Normal:
        both = self.linear(prefix, x)
        normed = self.norm(f"{prefix}.norm", both.reshape(-1, 1)).reshape(both.shape)
        mean, log_variance = normed.chunk(2, dim=-1)
        return Normal(mean, log_variance.clamp(-10, 10).exp().sqrt())

    def contexts(self, h: Tensor, sets: list[list[int]]) -> Normal:
        e = F.elu(self.norm("statistic.before.norm", self.linear("statistic.before", h)))
        e = torch.stack([torch.cat([e[images].mean(0), torch.tensor([float(len(images))])]) for images in sets])
        for layer in range(2):
            e = F.elu(self.norm(f"statistic.{layer}.norm", self.linear(f"statistic.{layer}", e)))
        return self.normal("statistic.out", e)

    def of_latent(self, network: str, x: Tensor) -> Normal:
        x = e = F.elu(x)
        for layer in range(3):
            e = self.norm(f"{network}.{layer}.norm", self.linear(f"{network}.{layer}", e))
            e = F.elu(e) if layer < 2 else F.elu(e + x)
        return self.normal(f"{network}.out", e)

    def pixels(self, z: Tensor, c: Tensor) -> Tensor:
        e = F.elu(self.linear("decoder.latent", z) + self.linear("decoder.context", c))
        side = self.network.left
        y = self.linear("decoder.maps", e).reshape(len(z), -1, side, side)
        for layer in range(6):
            y = self.conv(f"decoder.{layer}", y, padding=0 if layer == 5 else 1)
            if layer % 2:
                prefix = f"decoder.up.{layer // 2}"
                width = y.shape[1]
                weight = self.w[f"{prefix}.conv"].reshape(width, 2, 2, width).permute(3, 0, 1, 2)
                y = F.elu(self.norm(prefix, F.conv_transpose2d(y, weight, self.w[f"{prefix}.conv_bias"], 2)))
        return F.conv2d(y, self.w["decoder.pixels.weight"][:, :, None, None], self.w["decoder.pixels.bias"])


def plain_bound(w: Parameters, task: int, progress: float) -> float:
    """The loss of a task, set by set, with the random numbers of the method."""
    x = torch.cat([BATCH.support_x[task], BATCH.query_x[task]])
    labels = torch.cat([BATCH.support_y[task], BATCH.query_y[task]]).tolist()
    sets = [[n for n in range(len(x)) if labels[n] == k] for k in range(3)]  # four images each
    (drawing,) = task_noise.generators(x.unsqueeze(0), 0, "statistician")
    seen = torch.rand(len(x), generator=drawing).tolist()
    context_noise = torch.randn(3, 16, generator=drawing).double()
    latent_noise = torch.randn(len(x), 16, generator=drawing).double()
    drawn = torch.rand(x.shape, generator=drawing).double()
    plain = Plain(w)
    h = plain.features(x)
    kept = [[n for place, n in enumerate(images) if place == 0 or seen[n] < 0.5] for images in sets]
    assert any(len(some) < len(images) for some, images in zip(kept, sets, strict=True))
    contexts = plain.contexts(h, kept)
    c = contexts.mean + context_noise * contexts.stddev
    each = torch.stack([c[labels[n]] for n in range(len(x))])
    latent = plain.of_latent("inference", plain.linear("inference.image", h) + plain.linear("inference.context", each))
    prior = plain.of_latent("prior", plain.linear("prior.context", each))
    logits = plain.pixels(latent.mean + latent_noise * latent.stddev, each)
    target = (drawn < (x - x.min()) / (x.max() - x.min())).double()
    unlikely = -torch.distributions.Bernoulli(logits=logits).log_prob(target).sum()
    usual = Normal(torch.zeros_like(c), torch.ones_like(c))
    apart = kl_divergence(latent, prior).sum() + kl_divergence(contexts, usual).sum()
    a = 2.0 ** (-300 * progress)
    return float(((1 + a) * unlikely + apart / (1 + a)) / len(x))


@pytest.mark.parametrize("progress", [0.0, 0.004, 1.0])
def test_the_bound_is_that_of_plain_networks(progress: float) -> None:
    w = parameters()
    found = NeuralStatistician(NETWORK, 3).meta_gradient(w, BATCH, progress)
    expected = [plain_bound(w, task, progress) for task in range(2)]
    assert found.query_losses.tolist() == pytest.approx(expected, rel=1e-9)


def test_the_gradient_is_the_slope_of_the_bound() -> None:
    w, learner = parameters(), NeuralStatistician(NETWORK, 3)

    def loss(there: Parameters) -> float:
        return sum(plain_bound(there, task, 0.5) for task in range(2))

    check_slope(learner.meta_gradient(w, BATCH, 0.5).gradients, loss, w, step=1e-6)


@pytest.mark.parametrize("shot", [1, 3])
def test_a_class_with_the_nearest_context_wins(shot: int) -> None:
    """Minus the divergence of a query image alone from the class's support images, all in one pass."""
    w, support, query = parameters(), labelled(2, 3, shot, 1, 20, seed=3), labelled(2, 3, 2, 1, 20, seed=4)
    found = NeuralStatistician(NETWORK, 3).fit(w, support).transductive(query[0])
    for task in range(2):
        x = torch.cat([support[0][task], query[0][task]])
        count = 3 * shot
        classes = [[n for n in range(count) if support[1][task, n] == k] for k in range(3)]
        plain = Plain(w)
        contexts = plain.contexts(plain.features(x), [*classes, *([n] for n in range(count, len(x)))])
        for image in range(6):
            for k in range(3):
                one, other = (Independent(Normal(contexts.mean[n], contexts.stddev[n]), 1) for n in (3 + image, k))
                assert float(found[task, image, k]) == pytest.approx(-float(kl_divergence(one, other)), rel=1e-8)


@pytest.mark.parametrize(("each", "size"), [(4, 4), (5, 5), (7, 7), (10, 5), (16, 4), (2, 2), (18, 6)])
def test_sets_are_of_one_class_and_about_five_images(each: int, size: int) -> None:
    labels = torch.arange(3).repeat(each).unsqueeze(0)
    sets = sets_of(labels, 3)
    assert torch.bincount(sets[0]).tolist() == [size] * (3 * each // size)
    for number in range(int(sets.max()) + 1):
        assert len(set(labels[sets == number].tolist())) == 1


def test_noise_depends_on_the_task_and_the_seed_alone() -> None:
    w, learner = parameters(), NeuralStatistician(NETWORK, 3)
    together = learner.meta_gradient(w, BATCH, 0.2)
    given = (*BATCH.support, BATCH.query_x, BATCH.query_y)
    alone = [learner.meta_gradient(w, TaskBatch(*(t[n : n + 1] for t in given), 3), 0.2) for n in range(2)]
    torch.testing.assert_close(together.query_losses, torch.cat([one.query_losses for one in alone]), rtol=1e-9, atol=0)
    settings = TrainSettings("x", way=3, seed=7)
    of_a_run = METHOD.learner(TorchEngine(), FourConv(3, 1, 20, 2), settings)
    assert isinstance(of_a_run, NeuralStatistician) and of_a_run.seed == 7
    other = NeuralStatistician(NETWORK, 3, seed=7).meta_gradient(w, BATCH, 0.2)
    assert (other.query_losses != together.query_losses).all()


@pytest.mark.parametrize("size", [8, 12, 20, 28, 30, 32, 84])
def test_pixels_are_those_of_the_image(size: int) -> None:
    network = StatisticianNetwork(2, 3, size, filters=1)
    w = {name: tensor.unsqueeze(0) for name, tensor in parameters(network).items()}
    z, c = torch.zeros(1, 2, 16, dtype=torch.float64), torch.zeros(1, 2, 8, dtype=torch.float64)
    assert network.pixels(w, z, c).shape == (1, 2, 3, size, size)
    x = torch.rand(1, 2, 3, size, size, dtype=torch.float64)
    assert network.features(w, x).shape == (1, 2, 4 * network.left**2)


def test_its_weights_are_those_of_the_publication_and_a_genotype_is_refused() -> None:
    """Without those that nothing would use, and with what tells the statistic network how many images there are."""
    settings = TrainSettings("x", way=5)
    specs = METHOD.shapes(FourConv(5, 1, 28, filters=64), settings)
    assert count(specs) == 8_370_247 - 2 * (16 * 256 + 256) + 256
    parts = {"encoder": 1_921_536, "statistic": 1_445_122 + 256, "inference": 1_391_650 - 4_352}
    parts |= {"prior": 342_818 - 4_352, "decoder": 3_269_121}
    for part, weights in parts.items():
        assert count({name: spec for name, spec in specs.items() if name.startswith(part)}) == weights
    with pytest.raises(SettingsError, match="trains no genotype"):
        METHOD.shapes(DecodedNetwork(AUTO_MAML_1SHOT, 3, 1, channels=4), settings)
    with pytest.raises(SettingsError, match="images of 7 pixels"):
        StatisticianNetwork(3, 1, 7)


def test_large_numbers_of_a_gradient_are_cut() -> None:
    tensor = torch.zeros(3)
    optimiser = METHOD.optimiser({"w": tensor}, TrainSettings("x", way=3, method="neural-statistician"))
    tensor.grad = torch.tensor([30.0, -0.25, -4.0])
    optimiser.step()
    assert tensor.grad.tolist() == [0.5, -0.25, -0.5]


def test_images_of_a_single_value_have_a_bound() -> None:
    flat = BATCH.support_x * 0 + 0.3
    assert bool(statistician.bright(flat).isfinite().all())


@pytest.mark.timeout(900)
def test_it_learns_more_than_the_nearest_neighbour_knows() -> None:
    """Labels say which images form a set, and nothing else: that takes longer than to learn to answer."""
    values = {"query": 4, "meta_batch": 4, "tasks": 4000, "validate_every": 1000}
    assert above_nearest_neighbour("neural-statistician", FourConv(3, 1, SIDE, filters=8), values) > 0.03
