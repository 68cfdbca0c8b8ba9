"""The networks are the ones that the papers describe."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nsdviewer.errors import RequestError
from nsdviewer.models.networks.convolutional import ConvolutionalMapper
from nsdviewer.models.networks.joint import JointSpace
from nsdviewer.models.networks.registry import NETWORKS, build_network
from nsdviewer.models.networks.residual import ResidualDecoder
from nsdviewer.models.networks.sizes import NetworkSizes


def n_parameters(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("n_voxels", [15_724, 15_744])
def test_mind_readers_mapper_has_its_size(n_voxels: int) -> None:
    """320 + 4 · 28,864 + 33,280 + 1,007,744 + 129, at the paper's padded number of voxels."""
    with torch.device("meta"):
        network = build_network("mindreader", [n_voxels], 512, NetworkSizes())
        assert n_parameters(network) == 1_156_929
        assert network(torch.zeros(3, n_voxels)).shape == (3, 512)


def slow_mapper(network: ConvolutionalMapper, z: torch.Tensor) -> torch.Tensor:
    """One trial, layer by layer, convolutions as sums over shifted copies."""

    def convolve(x: torch.Tensor, layer: torch.nn.Conv1d) -> torch.Tensor:
        (size,), (stride,), (padding,) = layer.kernel_size, layer.stride, layer.padding
        padded = F.pad(x, (padding, padding))
        n_out = (padded.shape[1] - size) // stride + 1
        y = layer.bias[:, None].expand(-1, n_out)
        for k in range(size):
            y = y + layer.weight[:, :, k] @ padded[:, k : k + stride * n_out : stride][:, :n_out]
        return y

    first, _, *blocks, last, _ = network.convolutions
    x = convolve(F.pad(z, (0, network.n_padding))[None], first).relu()
    for block in blocks:
        a, _, b, _, c = block.layers
        x = (x + convolve(convolve(convolve(x, a).relu(), b).relu(), c)).relu()
    x = convolve(x, last).relu()
    hidden, _, out = network.positions
    return torch.stack(
        [(out.weight @ (hidden.weight @ row + hidden.bias).relu() + out.bias)[0] for row in x]
    )


def test_mind_readers_mapper_equals_its_definition() -> None:
    torch.manual_seed(0)
    network = ConvolutionalMapper(37, 5, n_channels=3, n_blocks=2, n_hidden=4).double()
    z = torch.randn(3, 37, dtype=torch.double)
    torch.testing.assert_close(network(z), torch.stack([slow_mapper(network, row) for row in z]))


def test_the_residual_network_gives_unit_vectors_and_learns_from_all_of_its_weights() -> None:
    torch.manual_seed(0)
    network = ResidualDecoder(11, 6, width=8, n_blocks=2)
    output = network(torch.randn(4, 11))
    torch.testing.assert_close(output.norm(dim=1), torch.ones(4))
    output[:, 0].sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_without_blocks_and_dropout_the_residual_network_is_linear_before_its_norm() -> None:
    torch.manual_seed(0)
    network = ResidualDecoder(11, 6, width=8, n_blocks=0, first_dropout=0.0)
    z = torch.randn(4, 11)
    last = network.backbone.last
    by_hand = (z @ network.first.weight.T + network.first.bias) @ last.weight.T + last.bias
    torch.testing.assert_close(network(z), F.normalize(by_hand, dim=1))


def test_subjects_share_the_backbone_and_nothing_else() -> None:
    torch.manual_seed(0)
    network = JointSpace([7, 9], 5, width=6, n_blocks=1).eval()
    first, second = torch.randn(2, 7), torch.randn(3, 9)
    together = network(first, second)
    assert together.shape == (5, 5)
    torch.testing.assert_close(together[2:], network(torch.zeros(0, 7), second))
    network(torch.zeros(0, 7), second).sum().backward()
    untouched, touched = network.subjects
    assert untouched.weight.grad.abs().max() == 0
    assert touched.weight.grad.abs().max() > 0
    alone = JointSpace([9], 5, width=6, n_blocks=1).eval()
    network.keep_subject(1)
    alone.load_state_dict(network.state_dict())
    torch.testing.assert_close(alone(second), together[2:])


def test_a_further_subject_on_a_frozen_backbone_trains_its_own_layer_only() -> None:
    network = JointSpace([7], 5, width=6, n_blocks=1)
    number = network.add_subject(4)
    network.freeze_backbone()
    trained = {name for name, p in network.named_parameters() if p.requires_grad}
    assert number == 1
    assert {"subjects.1.weight", "subjects.1.bias"} <= trained
    assert not any(name.startswith("backbone") for name in trained)
    assert network(torch.zeros(0, 7), torch.zeros(2, 4)).shape == (2, 5)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_maps_any_number_of_voxels(name: str) -> None:
    sizes = NetworkSizes(width=8, n_blocks=1, n_channels=2, n_hidden=3)
    for n_voxels in (1, 2, 31, 33):
        network = build_network(name, [n_voxels], 4, sizes)
        assert np.isfinite(network(torch.randn(3, n_voxels)).detach().numpy()).all()


def test_requests_that_no_network_answers() -> None:
    with pytest.raises(RequestError, match=r"no network called 'residul'.*Did you mean 'residual'"):
        build_network("residul", [4], 4, NetworkSizes())
    with pytest.raises(RequestError, match="learns from one subject, not 2"):
        build_network("mindreader", [4, 4], 4, NetworkSizes())
    with pytest.raises(RequestError, match="width is at least 1, not 0"):
        NetworkSizes(width=0)
    with pytest.raises(RequestError, match="dropout lies from 0 to below 1"):
        NetworkSizes(dropout=1.0)
