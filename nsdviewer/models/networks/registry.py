"""The networks by name."""

from collections.abc import Callable, Sequence

from torch import nn

from nsdviewer.errors import RequestError, suggestion
from nsdviewer.models.networks.convolutional import ConvolutionalMapper
from nsdviewer.models.networks.joint import JointSpace
from nsdviewer.models.networks.residual import ResidualDecoder
from nsdviewer.models.networks.sizes import NetworkSizes

Builder = Callable[[Sequence[int], int, NetworkSizes], nn.Module]

JOINT = "joint"


def _mindreader(n_voxels: Sequence[int], n_embedding: int, sizes: NetworkSizes) -> nn.Module:
    (n,) = n_voxels
    return ConvolutionalMapper(n, n_embedding, sizes.n_channels, sizes.n_blocks, sizes.n_hidden)


def _residual(n_voxels: Sequence[int], n_embedding: int, sizes: NetworkSizes) -> nn.Module:
    (n,) = n_voxels
    return ResidualDecoder(
        n, n_embedding, sizes.width, sizes.n_blocks, sizes.first_dropout, sizes.dropout
    )


def _joint(n_voxels: Sequence[int], n_embedding: int, sizes: NetworkSizes) -> nn.Module:
    return JointSpace(
        n_voxels, n_embedding, sizes.width, sizes.n_blocks, sizes.first_dropout, sizes.dropout
    )


# Another network is one file beside these, its sizes, and one line here.
NETWORKS: dict[str, Builder] = {"mindreader": _mindreader, "residual": _residual, JOINT: _joint}


def build_network(
    name: str, n_voxels: Sequence[int], n_embedding: int, sizes: NetworkSizes
) -> nn.Module:
    """Return the network called `name` with fresh weights.

    Parameters
    ----------
    n_voxels
        One number a subject; only ``joint`` takes more than one subject.

    Raises
    ------
    RequestError
        If there is no such network, or it takes one subject and got several.
    """
    require_network(name)
    if len(n_voxels) != 1 and name != JOINT:
        raise RequestError(
            f"The network '{name}' learns from one subject, not {len(n_voxels)}; choose '{JOINT}' "
            "to learn from several, or give one."
        )
    return NETWORKS[name](n_voxels, n_embedding, sizes)


def require_network(name: str) -> None:
    """Raise `RequestError` unless there is a network called `name`."""
    if name not in NETWORKS:
        raise RequestError(
            f"There is no network called '{name}'; choose one of: {', '.join(NETWORKS)}."
            + suggestion(name, NETWORKS)
        )
