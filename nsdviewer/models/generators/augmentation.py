"""Adaptive discriminator augmentation: what the discriminator sees is changed at random.

Karras et al. (2020), "Training generative adversarial networks with limited data". With few
pictures the discriminator learns them by heart. Here each picture that it is shown, real or
generated, is changed with probability p: changes that come up less than always do not leak into what
is generated, and p follows how sure the discriminator is of real pictures.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import torch
from torch import nn

from nsdviewer.errors import RequestError
from nsdviewer.models.generators.image_changes import Drawn, augment

TARGET_SIGN = 0.6
# p goes from 0 to 1 in so many images if it goes in one direction only.
IMAGES_TO_FULL = 500_000

# Deviations and ranges of the paper's appendix B; pixels are in −1..1.
_SHIFT_SHARE = 0.125
_SCALE_SD_OCTAVES = 0.2
_FRACTION_SD_SHARE = 0.125
_BRIGHTNESS_SD = 0.2
_CONTRAST_SD_OCTAVES = 0.5
_SATURATION_SD_OCTAVES = 1.0


class Change(Enum):
    """Groups of changes."""

    BLIT = "mirror, quarter turns, shift by whole pixels"
    GEOMETRY = "scale, stretch, rotation, shift"
    COLOUR = "brightness, contrast, luma flip, hue, saturation"


class Augmentation(nn.Module):
    """Changes pictures with probability p; p can follow the discriminator.

    The paper's distributions; instead of its wavelet filter, pictures are sampled bilinearly at the
    moved pixels, and mirrored at their edges. Derivatives of every order flow to the pictures, which
    R1 needs.

    Parameters
    ----------
    p
        Probability of each change, at the start.
    changes
        Groups that are drawn.
    """

    p: torch.Tensor

    def __init__(self, p: float = 0.0, changes: Sequence[Change] = tuple(Change)) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise RequestError(f"The strength of augmentation is a probability, 0 to 1, not {p}.")
        self.changes = frozenset(changes)
        self.register_buffer("p", torch.tensor(float(p)))

    def forward(
        self, images: torch.Tensor, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """Return (n, 3, H, W) images in −1..1, changed; what is drawn no change is the same bits.

        Parameters
        ----------
        generator
            Draws, on the device of `p`; torch's own where None.
        """
        n, _, height, width = images.shape
        return augment(images, self.draw(n, height, width, generator))

    def draw(
        self, n: int, height: int, width: int, generator: torch.Generator | None = None
    ) -> Drawn:
        """Draw what is done to n pictures of `height` × `width` px."""
        draws = _Draws(n, self.p, generator)
        drawn: dict[str, torch.Tensor] = {}
        if Change.BLIT in self.changes:
            drawn |= _draw_blit(draws, height, width)
        if Change.GEOMETRY in self.changes:
            drawn |= _draw_geometry(draws, height, width)
        if Change.COLOUR in self.changes:
            drawn |= _draw_colour(draws)
        return Drawn.nothing(n, self.p.device, **drawn)

    @torch.no_grad()
    def adapt(self, sign_mean: float, n_images: int) -> None:
        """Move p up where the discriminator is too sure of real pictures, else down, within 0..1.

        Parameters
        ----------
        sign_mean
            Mean of sign(D(real)) since the last call: 1 where all are taken for real, around 0 where
            it cannot tell. Where it is not finite, p stays.
        n_images
            Real pictures shown since the last call.
        """
        if math.isfinite(sign_mean):
            direction = (sign_mean > TARGET_SIGN) - (sign_mean < TARGET_SIGN)
            self.p.add_(direction * n_images / IMAGES_TO_FULL).clamp_(0, 1)


@dataclass(frozen=True)
class _Draws:
    """Random numbers for n pictures, on the device of `p`."""

    n: int
    p: torch.Tensor
    generator: torch.Generator | None

    def uniform(self, low: float, high: float) -> torch.Tensor:
        drawn = torch.rand(self.n, generator=self.generator, device=self.p.device)
        return low + (high - low) * drawn

    def normal(self, sd: float) -> torch.Tensor:
        return sd * torch.randn(self.n, generator=self.generator, device=self.p.device)

    def one_of(self, n_values: int) -> torch.Tensor:
        # A number just below 1 may round up to it.
        return self.uniform(0, n_values).floor().clamp(max=n_values - 1)

    def sometimes(
        self, value: torch.Tensor, otherwise: float, p: torch.Tensor | None = None
    ) -> torch.Tensor:
        is_chosen = self.uniform(0, 1) < (self.p if p is None else p)
        return torch.where(is_chosen, value, otherwise)


def _draw_blit(draws: _Draws, height: int, width: int) -> dict[str, torch.Tensor]:
    is_shifted = draws.sometimes(torch.ones_like(draws.uniform(0, 1)), 0.0)
    share_x, share_y = (draws.uniform(-_SHIFT_SHARE, _SHIFT_SHARE) for _ in range(2))
    return {
        "mirror": draws.sometimes(draws.one_of(2), 0.0),
        "quarter_turns": draws.sometimes(draws.one_of(4), 0.0),
        "right_px": is_shifted * (share_x * width).round(),
        "down_px": is_shifted * (share_y * height).round(),
    }


def _draw_geometry(draws: _Draws, height: int, width: int) -> dict[str, torch.Tensor]:
    # One of two rotations, or both, comes up with probability p.
    p_turn = 1 - (1 - draws.p).clamp(min=0).sqrt()
    is_shifted = draws.sometimes(torch.ones_like(draws.uniform(0, 1)), 0.0)
    share_x, share_y = (draws.normal(_FRACTION_SD_SHARE) for _ in range(2))
    return {
        "scale": draws.sometimes(draws.normal(_SCALE_SD_OCTAVES).exp2(), 1.0),
        "turn_before": draws.sometimes(draws.uniform(-math.pi, math.pi), 0.0, p_turn),
        "stretch": draws.sometimes(draws.normal(_SCALE_SD_OCTAVES).exp2(), 1.0),
        "turn_after": draws.sometimes(draws.uniform(-math.pi, math.pi), 0.0, p_turn),
        "right_fraction_px": is_shifted * share_x * width,
        "down_fraction_px": is_shifted * share_y * height,
    }


def _draw_colour(draws: _Draws) -> dict[str, torch.Tensor]:
    return {
        "brightness": draws.sometimes(draws.normal(_BRIGHTNESS_SD), 0.0),
        "contrast": draws.sometimes(draws.normal(_CONTRAST_SD_OCTAVES).exp2(), 1.0),
        "luma_flip": draws.sometimes(draws.one_of(2), 0.0),
        "hue": draws.sometimes(draws.uniform(-math.pi, math.pi), 0.0),
        "saturation": draws.sometimes(draws.normal(_SATURATION_SD_OCTAVES).exp2(), 1.0),
    }
