"""One space for many subjects: a linear layer each, and a backbone that all share.

The idea of MindEye2 (Scotti et al. 2024, arXiv:2403.11207): what differs between brains is where
a thing is said, and a regularised linear layer can undo that; what it means is learnt once, from
everybody's data. A further subject then needs its linear layer only.
"""

from collections.abc import Sequence

import torch
from torch import nn

from nsdviewer.models.networks.residual import ResidualBackbone


class JointSpace(nn.Module):
    """One z (n_s, n_voxels_s) a subject → unit embeddings (Σ n_s, n_embedding).

    Attributes
    ----------
    shared_weights, shared_offset
        (n_embedding, width) and (width,): the representation that a picture of a given embedding
        has on average among the training subjects. A further subject's layer starts from the ridge
        regression that aims at it. Zero until the training has ended.
    """

    shared_weights: torch.Tensor
    shared_offset: torch.Tensor

    def __init__(
        self,
        n_voxels: Sequence[int],
        n_embedding: int,
        width: int = 512,
        n_blocks: int = 4,
        first_dropout: float = 0.5,
        dropout: float = 0.15,
    ) -> None:
        super().__init__()
        self.width = width
        self.subjects = nn.ModuleList(nn.Linear(n, width) for n in n_voxels)
        self.backbone = ResidualBackbone(width, n_embedding, n_blocks, first_dropout, dropout)
        self.register_buffer("shared_weights", torch.zeros(n_embedding, width))
        self.register_buffer("shared_offset", torch.zeros(width))

    def forward(self, *z: torch.Tensor) -> torch.Tensor:
        shared = [layer(part) for layer, part in zip(self.subjects, z, strict=True)]
        embedding: torch.Tensor = self.backbone(torch.cat(shared))  # (Σ n_s, width) → embedding
        return embedding

    def add_subject(self, n_voxels: int) -> int:
        """Give a further subject a layer of its own; returns its number."""
        like = self.shared_offset
        self.subjects.append(nn.Linear(n_voxels, self.width, device=like.device, dtype=like.dtype))
        return len(self.subjects) - 1

    def keep_subject(self, number: int) -> None:
        """Drop the layers of all subjects but one, which becomes number 0."""
        self.subjects = nn.ModuleList([self.subjects[number]])

    def freeze_backbone(self) -> None:
        """Leave only the subjects' layers to be trained."""
        self.backbone.requires_grad_(False)
