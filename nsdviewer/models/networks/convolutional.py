"""Mind Reader's mapper: convolutions along the list of voxels, then a shared reading of positions.

Lin, Sprague & Singh (2022), "Mind Reader: Reconstructing complex images from brain activities",
NeurIPS, arXiv:2210.01769: each channel of the last convolution becomes one coordinate of the
embedding. Written from the description of its layers.
"""

import torch
import torch.nn.functional as F
from torch import nn

# The paper pads subject 1's 15,724 voxels to 15,744, the next multiple of 32.
PADDING_MULTIPLE = 32


class ResidualConvolutions(nn.Module):
    """ReLU(x + c(x)) with three convolutions c of kernels 3, 3 and 1, and no batch norm."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(n_channels, n_channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv1d(n_channels, n_channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv1d(n_channels, n_channels, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(x + self.layers(x))


class ConvolutionalMapper(nn.Module):
    """z (n, n_voxels) → embedding (n, n_embedding), of any length.

    With 15,744 inputs, 512 outputs and the default sizes it has 1,156,929 parameters.
    """

    def __init__(
        self,
        n_voxels: int,
        n_embedding: int,
        n_channels: int = 64,
        n_blocks: int = 4,
        n_hidden: int = 128,
    ) -> None:
        super().__init__()
        self.n_padding = -n_voxels % PADDING_MULTIPLE
        n_positions = (n_voxels + self.n_padding) // 2
        self.convolutions = nn.Sequential(
            nn.Conv1d(1, n_channels, 4, stride=2, padding=1),
            nn.ReLU(),
            *(ResidualConvolutions(n_channels) for _ in range(n_blocks)),
            nn.Conv1d(n_channels, n_embedding, 1),
            nn.ReLU(),
        )
        self.positions = nn.Sequential(
            nn.Linear(n_positions, n_hidden), nn.ReLU(), nn.Linear(n_hidden, 1)
        )

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        x = F.pad(z, (0, self.n_padding)).unsqueeze(1)  # (n, 1, n_voxels + n_padding)
        x = self.convolutions(x)  # (n, n_embedding, n_positions)
        return self.positions(x).squeeze(2)  # type: ignore[no-any-return]  # (n, n_embedding)
