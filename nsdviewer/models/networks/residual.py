"""A residual multilayer perceptron: linear in, blocks, linear out, unit norm.

The plain form of the networks that MindEye (Scotti et al. 2023, arXiv:2305.18274) and its
followers train with contrastive losses.
"""

import torch
import torch.nn.functional as F
from torch import nn


class ResidualBlock(nn.Module):
    """x + dropout(linear(GELU(linear(norm(x))))), all of one width."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, width),
            nn.GELU(),
            nn.Linear(width, width),
            nn.Dropout(dropout),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = x + self.layers(x)
        return y


class ResidualBackbone(nn.Module):
    """Shared representation (n, width) → unit embedding (n, n_embedding)."""

    def __init__(
        self, width: int, n_embedding: int, n_blocks: int, first_dropout: float, dropout: float
    ) -> None:
        super().__init__()
        self.first_dropout = nn.Dropout(first_dropout)
        self.blocks = nn.Sequential(*(ResidualBlock(width, dropout) for _ in range(n_blocks)))
        self.last = nn.Linear(width, n_embedding)

    def forward(self, shared: torch.Tensor) -> torch.Tensor:
        x = self.blocks(self.first_dropout(shared))  # (n, width)
        y: torch.Tensor = self.last(x)  # (n, n_embedding)
        # Lengths of half floats are too coarse.
        return F.normalize(y.float() if y.dtype.itemsize < 4 else y, dim=1)


class ResidualDecoder(nn.Module):
    """z (n, n_voxels) → unit embedding (n, n_embedding)."""

    def __init__(
        self,
        n_voxels: int,
        n_embedding: int,
        width: int = 512,
        n_blocks: int = 4,
        first_dropout: float = 0.5,
        dropout: float = 0.15,
    ) -> None:
        super().__init__()
        self.first = nn.Linear(n_voxels, width)
        self.backbone = ResidualBackbone(width, n_embedding, n_blocks, first_dropout, dropout)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        embedding: torch.Tensor = self.backbone(self.first(z))  # (n, width) → (n, n_embedding)
        return embedding
