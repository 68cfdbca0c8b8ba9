"""Where a subject's linear layer starts when the backbone behind it is fixed: at a ridge solution.

The backbone was trained together with other subjects' layers, and knows which shared representation
a picture of a given embedding has on average (`JointSpace.shared_weights`). A ridge regression from
the further subject's responses to these representations is already a usable layer; gradient descent
goes on from there.
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from nsdviewer.models.networks.data import TrainingData
from nsdviewer.models.networks.held_out import average_by_picture
from nsdviewer.models.networks.joint import JointSpace

# Relative to the mean eigenvalue of the responses' Gram matrix.
_ALPHAS = np.logspace(-2, 4, 13)
# Of the regression from embeddings to representations, relative likewise: it has many pictures and
# few dimensions.
_SHARED_ALPHA = 1e-3


@torch.no_grad()
def start_from_ridge(
    network: JointSpace,
    data: TrainingData,
    is_held_out: NDArray[np.bool_],
    targets: torch.Tensor,
) -> float:
    """Set the only subject's layer to the ridge solution; returns its mean held-out cosine.

    The penalty is the one with which held-out pictures are decoded best, through the backbone.

    Parameters
    ----------
    targets
        (n_images, d) unit embeddings.
    """
    z, images = average_by_picture(data.subjects[0], ~is_held_out)
    z_test, test_images = average_by_picture(data.subjects[0], is_held_out)
    targets = targets.cpu()
    shared = targets[images] @ network.shared_weights.cpu() + network.shared_offset.cpu()
    true = targets[test_images]
    z_mean, shared_mean = z.mean(0), shared.mean(0)
    values, vectors = torch.linalg.eigh(((z - z_mean) @ (z - z_mean).T).double())
    rotated = vectors.T @ (shared - shared_mean).double()
    layer, backbone = network.subjects[0], network.backbone
    assert isinstance(layer, nn.Linear)
    device, was_training = layer.weight.device, backbone.training
    backbone.eval()
    best, best_score = layer.weight.clone(), -np.inf
    for alpha in _ALPHAS * float(values.clamp(min=0).mean()):
        dual = (vectors @ (rotated / (values + alpha)[:, None])).float()
        weight = (dual.T @ (z - z_mean)).to(device)  # (width, n_voxels)
        decoded = backbone(((z_test - z_mean).to(device) @ weight.T) + shared_mean.to(device))
        score = float(F.cosine_similarity(decoded.cpu(), true).mean())
        if score > best_score:
            best, best_score = weight, score
    backbone.train(was_training)
    layer.weight.copy_(best)
    layer.bias.copy_(shared_mean.to(device) - best @ z_mean.to(device))
    return best_score


@torch.no_grad()
def learn_shared_map(
    network: JointSpace,
    data: TrainingData,
    is_held_out: NDArray[np.bool_],
    targets: torch.Tensor,
) -> None:
    """Fill `shared_weights` and `shared_offset` by ridge regression over all subjects' pictures."""
    embeddings, shared = [], []
    for layer, subject in zip(network.subjects, data.subjects, strict=True):
        z, images = average_by_picture(subject, ~is_held_out)
        shared.append(layer(z.to(targets.device)).double().cpu())
        embeddings.append(targets[torch.from_numpy(images).to(targets.device)].double().cpu())
    e, h = torch.cat(embeddings), torch.cat(shared)
    e_mean, h_mean = e.mean(0), h.mean(0)
    gram = (e - e_mean).T @ (e - e_mean)
    ridge = _SHARED_ALPHA * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    weights = torch.linalg.solve(gram + ridge, (e - e_mean).T @ (h - h_mean))
    network.shared_weights.copy_(weights)
    network.shared_offset.copy_(h_mean - e_mean @ weights)
