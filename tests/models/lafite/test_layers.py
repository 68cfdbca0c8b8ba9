"""Layers equal their definitions, written out tap by tap, forward and in both derivatives."""

from collections.abc import Callable, Sequence

import pytest
import torch
import torch.nn.functional as F
from torch.func import functional_call

from nsdviewer.models.lafite.discriminator import minibatch_deviation
from nsdviewer.models.lafite.layers import (
    Convolution,
    FullyConnected,
    ModulatedConvolution,
    activate,
    downsample,
    upsample,
)

N, N_IN, N_OUT, SIDE = 3, 5, 4, 6


def randn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.double, requires_grad=True)


def assert_same(fast: torch.Tensor, slow: torch.Tensor, inputs: Sequence[torch.Tensor]) -> None:
    """Equal, and equal in the gradients of a random projection."""
    torch.testing.assert_close(fast, slow, atol=1e-5, rtol=0)
    weights = torch.randn_like(fast)
    for a, b in zip(
        torch.autograd.grad((fast * weights).sum(), inputs),
        torch.autograd.grad((slow * weights).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=0)


def correlate(x: torch.Tensor, kernel: torch.Tensor, before: int, after: int) -> torch.Tensor:
    """(c_in, H, W) with (c_out, c_in, k, k), after zeros were put around."""
    size = kernel.shape[-1]
    padded = F.pad(x, (before, after, before, after))
    height, width = (s - size + 1 for s in padded.shape[1:])
    y = torch.zeros(kernel.shape[0], height, width, dtype=x.dtype)
    for row in range(size):
        for column in range(size):
            window = padded[:, row : row + height, column : column + width]
            y = y + torch.einsum("oi,ihw->ohw", kernel[:, :, row, column], window)
    return y


def low_pass(x: torch.Tensor, before: int, after: int, gain: float) -> torch.Tensor:
    """(c, H, W): each channel with the taps 1, 3, 3, 1 along both axes."""
    taps = (1, 3, 3, 1)
    padded = F.pad(x, (before, after, before, after))
    height, width = (s - 3 for s in padded.shape[1:])
    y = torch.zeros(x.shape[0], height, width, dtype=x.dtype)
    for row in range(4):
        for column in range(4):
            factor = taps[row] * taps[column] / 64 * gain
            y = y + factor * padded[:, row : row + height, column : column + width]
    return y


def insert_zeros(x: torch.Tensor) -> torch.Tensor:
    """(c, H, W) → (c, 2H, 2W): a zero after every sample, along both axes."""
    y = torch.zeros(x.shape[0], 2 * x.shape[1], 2 * x.shape[2], dtype=x.dtype)
    y[:, ::2, ::2] = x
    return y


def slow_modulated(
    layer: ModulatedConvolution, x: torch.Tensor, style: torch.Tensor
) -> torch.Tensor:
    """Scale the kernel of each sample, as the paper defines it, one sample at a time."""
    rows = []
    for sample, s in zip(x, style, strict=True):
        kernel = layer.weight * layer.gain * s[None, :, None, None]
        if layer.demodulate:
            kernel = kernel / torch.sqrt(kernel.square().sum((1, 2, 3), keepdim=True) + 1e-8)
        if layer.up:
            # Zeros between the samples, then the kernel as a filter (turned round), then the
            # low-pass, whose gain makes up for the zeros.
            y = correlate(insert_zeros(sample), kernel.flip(2, 3), 2, 1)
            rows.append(low_pass(y, 1, 1, 4))
        else:
            margin = layer.weight.shape[-1] // 2
            rows.append(correlate(sample, kernel, margin, margin))
    return torch.stack(rows)


MODULATED = pytest.mark.parametrize(
    ("size", "demodulate", "up"),
    [(3, True, False), (3, True, True), (3, False, True), (1, False, False)],
)


@MODULATED
def test_a_modulated_convolution_is_one_of_scaled_kernels(
    size: int, demodulate: bool, up: bool
) -> None:
    torch.manual_seed(0)
    layer = ModulatedConvolution(N_IN, N_OUT, size, demodulate, up).double()
    x, style = randn(N, N_IN, SIDE, SIDE), randn(N, N_IN)
    fast = layer(x, style)
    assert fast.shape == (N, N_OUT, SIDE * (1 + up), SIDE * (1 + up))
    assert_same(fast, slow_modulated(layer, x, style), (x, style, layer.weight))


@pytest.mark.parametrize(
    ("resample", "slow"),
    [
        (upsample, lambda x: low_pass(insert_zeros(x), 2, 1, 4)),
        (downsample, lambda x: low_pass(x, 1, 1, 1)[:, ::2, ::2]),
    ],
)
def test_resampling_is_zeros_and_a_low_pass(
    resample: Callable[[torch.Tensor], torch.Tensor], slow: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    torch.manual_seed(0)
    x = randn(2, 3, SIDE, SIDE)
    assert_same(resample(x), torch.stack([slow(sample) for sample in x]), (x,))


def test_resampling_keeps_a_constant_picture() -> None:
    x = torch.full((1, 2, 16, 16), 0.7)
    for y in (upsample(x), downsample(x)):
        inner = y[..., 3:-3, 3:-3]
        torch.testing.assert_close(inner, torch.full_like(inner, 0.7))


@pytest.mark.parametrize(("size", "down"), [(3, False), (3, True), (1, True), (1, False)])
def test_a_convolution_equals_its_definition(size: int, down: bool) -> None:
    torch.manual_seed(0)
    layer = Convolution(N_IN, N_OUT, size, activation=False, down=down).double()
    with torch.no_grad():
        layer.bias.normal_()
    x = randn(2, N_IN, SIDE, SIDE)
    kernel = layer.weight / (N_IN * size**2) ** 0.5
    rows = []
    for sample in x:
        # The low-pass needs three samples beside each one it keeps, the kernel size − 1.
        margin = size // 2
        y = low_pass(sample, 1 + margin, 1 + margin, 1) if down else sample
        y = correlate(y, kernel, 0 if down else margin, 0 if down else margin)
        rows.append((y[:, ::2, ::2] if down else y) + layer.bias[:, None, None])
    assert_same(layer(x), torch.stack(rows), (x, layer.weight, layer.bias))


@MODULATED
def test_second_derivatives_of_modulated_convolutions(
    size: int, demodulate: bool, up: bool
) -> None:
    """R1 and path lengths differentiate gradients."""
    torch.manual_seed(0)
    layer = ModulatedConvolution(2, 2, size, demodulate, up).double()

    def call(x: torch.Tensor, style: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return functional_call(layer, {"weight": weight}, (x, style))

    inputs = (randn(1, 2, 2, 2), randn(1, 2), randn(2, 2, size, size))
    assert torch.autograd.gradcheck(call, inputs)
    assert torch.autograd.gradgradcheck(call, inputs)


@pytest.mark.parametrize("size", [1, 3])
def test_second_derivatives_of_halving_convolutions(size: int) -> None:
    torch.manual_seed(0)
    layer = Convolution(2, 2, size, down=True, clamp=256.0).double()

    def call(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return functional_call(layer, {"weight": weight, "bias": layer.bias}, (x,))

    inputs = (randn(1, 2, 4, 4), randn(2, 2, size, size))
    assert torch.autograd.gradcheck(call, inputs)
    assert torch.autograd.gradgradcheck(call, inputs)


def test_minibatch_deviation_equals_its_definition() -> None:
    torch.manual_seed(0)
    n, n_channels, side, group_size = 8, 3, 2, 4
    x = randn(n, n_channels, side, side)
    n_groups = n // group_size
    channel = []
    for i in range(n):
        members = [x[j] for j in range(n) if j % n_groups == i % n_groups]
        assert len(members) == group_size
        mean = sum(members) / group_size
        variance = sum((m - mean) ** 2 for m in members) / group_size
        channel.append(torch.sqrt(variance + 1e-8).mean().expand(1, side, side))
    slow = torch.cat([x, torch.stack(channel)], 1)
    assert_same(minibatch_deviation(x, group_size), slow, (x,))


def test_equal_samples_do_not_deviate_and_odd_batches_are_one_group() -> None:
    x = torch.randn(1, 2, 4, 4, dtype=torch.double)
    same = minibatch_deviation(x.expand(8, -1, -1, -1))[:, -1]
    torch.testing.assert_close(same, torch.full_like(same, 1e-4))
    channel = minibatch_deviation(torch.randn(5, 2, 4, 4))[:, -1]
    torch.testing.assert_close(channel, channel[:1, :1, :1].expand_as(channel))


def test_the_learning_rate_multiplier_changes_no_result() -> None:
    torch.manual_seed(0)
    one = FullyConnected(6, 3, activation=True, bias_init=0.5)
    slow = FullyConnected(6, 3, activation=True, lr_multiplier=0.01, bias_init=0.5)
    slow.load_state_dict({"weight": one.weight / 0.01, "bias": one.bias / 0.01})
    x = torch.randn(4, 6)
    torch.testing.assert_close(one(x), slow(x))
    torch.testing.assert_close(FullyConnected(6, 3, lr_multiplier=0.1, bias_init=1.0).bias,
                               torch.full((3,), 10.0))  # fmt: skip


def test_activations_stay_within_the_clamp() -> None:
    x = torch.tensor([-1e4, -1.0, 2.0, 1e4])
    expected = torch.tensor([-256.0, -0.2 * 2**0.5, 2 * 2**0.5, 256.0])
    torch.testing.assert_close(activate(x, 256.0), expected)


@pytest.mark.parametrize("up", [False, True])
def test_half_precision_does_not_overflow(up: bool) -> None:
    """Whatever the size of styles and kernels, inputs within the clamp give finite results."""
    torch.manual_seed(0)
    layer = ModulatedConvolution(64, 8, 3, up=up)
    with torch.no_grad():
        layer.weight.mul_(1e3)
    x = torch.full((2, 64, 4, 4), 256.0)
    style = torch.rand(2, 64) * 1e5
    exact = layer(x, style)
    half = layer(x.half(), style)
    assert half.dtype is torch.float16
    scale = float(exact.detach().abs().max())
    torch.testing.assert_close(half.float(), exact, atol=5e-3 * scale, rtol=0)
