"""The generator's parts equal slow references, and training killed midway ends the same."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nsdviewer.errors import CheckpointError, RequestError
from nsdviewer.jobs import SilentProgress
from nsdviewer.models.conse import ConseEmbedding
from nsdviewer.models.lafite import losses
from nsdviewer.models.lafite.config import LafiteConfig
from nsdviewer.models.lafite.discriminator import Discriminator
from nsdviewer.models.lafite.generator import Generator
from nsdviewer.models.lafite.image_set import ImageSet, list_training_files
from nsdviewer.models.lafite.layers import ModulatedConvolution, downsample, upsample
from nsdviewer.models.lafite.perceptual import FeatureLoss
from nsdviewer.models.lafite.training import Trainer, TrainingConfig
from nsdviewer.models.painting import load_painter
from nsdviewer.resources import resource_path

TINY = LafiteConfig(
    resolution=16, n_embedding=384, n_z=8, n_w=16, n_mapping_layers=2, channel_base=256,
    channel_max=16, n_condition=16,
)  # fmt: skip


def slow_modulated(
    layer: ModulatedConvolution, x: torch.Tensor, style: torch.Tensor
) -> torch.Tensor:
    """Scale the kernel of each sample, as the paper defines it, one sample at a time."""
    rows = []
    for sample, s in zip(x, style, strict=True):
        weight = layer.weight * layer.gain * s[None, :, None, None]
        if layer.demodulate:
            weight = weight / torch.sqrt(weight.square().sum((1, 2, 3), keepdim=True) + 1e-8)
        if layer.up:
            y = F.conv_transpose2d(sample[None], weight.transpose(0, 1), stride=2)
            taps = torch.tensor([1.0, 3, 3, 1], dtype=x.dtype)
            kernel = torch.outer(taps, taps) / 64 * 4
            channels = y.shape[1]
            y = F.conv2d(F.pad(y, (1, 1, 1, 1)), kernel.expand(channels, 1, 4, 4), groups=channels)
        else:
            y = F.conv2d(sample[None], weight, padding=layer.weight.shape[-1] // 2)
        rows.append(y[0])
    return torch.stack(rows)


@pytest.mark.parametrize(
    ("size", "demodulate", "up"), [(3, True, False), (3, True, True), (1, False, False)]
)
def test_modulated_convolution_equals_its_definition(size: int, demodulate: bool, up: bool) -> None:
    torch.manual_seed(0)
    layer = ModulatedConvolution(5, 7, size, demodulate, up).double()
    x = torch.randn(3, 5, 6, 6, dtype=torch.double, requires_grad=True)
    style = torch.randn(3, 5, dtype=torch.double, requires_grad=True)
    fast, slow = layer(x, style), slow_modulated(layer, x, style)
    torch.testing.assert_close(fast, slow)
    weights = torch.randn_like(fast)
    inputs = (x, style, layer.weight)
    for a, b in zip(
        torch.autograd.grad((fast * weights).sum(), inputs, retain_graph=True),
        torch.autograd.grad((slow * weights).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_resampling_keeps_a_constant_picture() -> None:
    x = torch.full((1, 2, 16, 16), 0.7)
    for y in (upsample(x), downsample(x)):
        inner = y[..., 3:-3, 3:-3]
        torch.testing.assert_close(inner, torch.full_like(inner, 0.7))


def test_the_condition_adds_sample_by_sample() -> None:
    """A sample's logit must not depend on the other samples' conditions."""
    torch.manual_seed(0)
    network = Discriminator(TINY)
    image, h = torch.randn(4, 3, 16, 16), F.normalize(torch.randn(4, 384), dim=1)
    other = h.clone()
    other[1:] = F.normalize(torch.randn(3, 384), dim=1)
    first, second = network(image, h)[0], network(image, other)[0]
    torch.testing.assert_close(first[0], second[0])
    assert not torch.allclose(first[1:], second[1:])


def test_contrastive_loss_equals_its_definition() -> None:
    torch.manual_seed(0)
    f, h = torch.randn(5, 8), torch.randn(5, 8)
    expected = 0.0
    for i in range(5):
        similarity = [float(F.cosine_similarity(f[j], h[i], dim=0)) / 0.5 for j in range(5)]
        expected -= np.log(np.exp(similarity[i]) / np.exp(similarity).sum()) / 5
    assert float(losses.info_nce(f, h)) == pytest.approx(expected, abs=1e-6)


def test_r1_equals_the_gradient_of_a_known_function() -> None:
    image = torch.randn(3, 2, 4, 4, requires_grad=True)
    penalty = losses.r1_penalty(image.square().sum((1, 2, 3)), image)
    expected = (2 * image).square().sum((1, 2, 3)).mean() / 2
    torch.testing.assert_close(penalty, expected)


def test_pseudo_text_has_unit_norm_and_moves_as_far_as_asked() -> None:
    f = F.normalize(torch.randn(2000, 384), dim=1)
    for xi in (0.0, 0.25, 0.5, 0.75):
        h = losses.pseudo_text(f, xi)
        torch.testing.assert_close(h.norm(dim=1), torch.ones(2000))
        expected = (1 - xi) / np.hypot(1 - xi, xi)
        assert float((f * h).sum(1).mean()) == pytest.approx(expected, abs=0.01)


def test_pictures_depend_on_embedding_and_seed_alone() -> None:
    torch.manual_seed(0)
    network = Generator(TINY).eval()
    e = F.normalize(torch.randn(2, 384), dim=1)
    z = torch.randn(2, TINY.n_z)
    with torch.no_grad():
        torch.testing.assert_close(network(z, e), network(z, e), rtol=0, atol=0)
        assert not torch.allclose(network(z, e), network(z, e.flip(0)))
        assert not torch.allclose(network(z, e), network(z.flip(0), e))


def make_trainer(folder: Path, embedding: ConseEmbedding, n_images: int = 32) -> Trainer:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((12, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pixels = rng.integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
    config = TrainingConfig(
        batch_size=4, n_paired_images=16, n_adversarial_images=n_images - 16, r1_every=2,
        bfloat16=False,
    )  # fmt: skip
    images = ImageSet(pixels, vectors, np.arange(12))
    loss = FeatureLoss(embedding, size_px=64)
    return Trainer(TINY, config, images, loss, folder, torch.device("cpu"))


@pytest.mark.parametrize("killed_after", [8, 24])
def test_training_killed_midway_ends_with_the_same_weights(
    tmp_path: Path, conse: ConseEmbedding, killed_after: int
) -> None:
    whole = make_trainer(tmp_path / "whole", conse)
    whole.run(SilentProgress())
    broken = make_trainer(tmp_path / "broken", conse)
    for _ in broken._steps():
        if broken.n_shown == killed_after:
            (tmp_path / "broken").mkdir()
            broken.save()
            break
    resumed = make_trainer(tmp_path / "broken", conse)
    resumed.resume()
    resumed.run(SilentProgress())
    for (name, a), b in zip(
        whole.average.state_dict().items(), resumed.average.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(a, b, msg=name, rtol=0, atol=0)


def test_a_training_of_another_kind_is_not_resumed(tmp_path: Path, conse: ConseEmbedding) -> None:
    trainer = make_trainer(tmp_path, conse)
    trainer.save()
    with pytest.raises(CheckpointError, match="training"):
        make_trainer(tmp_path, conse, n_images=64).resume()


def test_held_out_photographs_are_never_trained_on() -> None:
    folder = resource_path("photographs")
    held_out = set((folder / "held_out.txt").read_text().split())
    names = {p.name for p in list_training_files(folder)}
    assert len(held_out) == 45
    assert len(names) == 140
    assert not names & held_out


def test_a_resolution_that_is_no_power_of_two_is_refused() -> None:
    with pytest.raises(RequestError, match="power of two"):
        LafiteConfig.small(48, 384)


def test_the_shipped_generator_paints_in_bounds() -> None:
    painter = load_painter()
    vectors = F.normalize(torch.randn(3, 384), dim=1).numpy()
    pictures = painter.paint(vectors, seed=1)
    assert pictures.shape == (3, 64, 64, 3)
    np.testing.assert_array_equal(pictures, painter.paint(vectors, seed=1))
    assert resource_path("weights", "lafite64-conse.safetensors").stat().st_size <= 20e6
    with pytest.raises(CheckpointError, match="embedding"):
        painter.require("open_clip:ViT-B-32-quickgelu/openai")
