"""The optimiser: what it moves and how much each part is pulled to zero."""

import torch
from torch import nn

from nsdviewer.models.networks.plan import OptimizerKind, TrainingPlan

_SUBJECTS = "subjects."


def make_optimizer(network: nn.Module, plan: TrainingPlan) -> torch.optim.Optimizer:
    """Return the plan's optimiser over all weights that are not frozen.

    Matrices and kernels have weight decay, subjects' layers one of their own, biases and norms
    none.
    """
    named = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    flat = [p for _, p in named if p.ndim < 2]
    subjects = [p for name, p in named if p.ndim >= 2 and name.startswith(_SUBJECTS)]
    others = [p for name, p in named if p.ndim >= 2 and not name.startswith(_SUBJECTS)]
    groups = [
        {"params": others, "weight_decay": plan.weight_decay},
        {"params": subjects, "weight_decay": plan.subject_weight_decay},
        {"params": flat, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if plan.optimizer is OptimizerKind.ADAM:
        return torch.optim.Adam(groups, lr=plan.learning_rate)
    return torch.optim.AdamW(groups, lr=plan.learning_rate)
