"""How LAFITE is trained: the published recipe, and one that gets along with a CPU and few pictures."""

from dataclasses import dataclass
from enum import Enum

from nsdviewer.errors import RequestError
from nsdviewer.models.generators.plan import check_settings, require_at_least_one


class Perturbation(Enum):
    """How an embedding of a picture becomes a pseudo text one (Zhou et al. 2022, section 3.2)."""

    FIXED = "fixed"
    TRAINABLE = "trainable"


@dataclass(frozen=True)
class LafiteSettings:
    """The losses' weights and the two phases.

    *Paired*: the generator learns to paint each photograph from its embedding, by pixel and feature
    losses; on small data this gives shapes that the adversarial game alone takes far longer to
    find. *Adversarial*: LAFITE's own losses, the paired ones kept at `paired_share_in_game`.

    Attributes
    ----------
    paired_share
        Share of the training that the first phase takes; 0 is the published recipe.
    xi
        Size of the fixed perturbation. With `xi_varies` ξ is drawn from 0..xi for each batch.
    mixed_share
        Paired phase: share of each batch whose embedding lies between those of two photographs;
        such samples have no photograph to be compared with, only an embedding to hit.
    semantic_weight
        The published itd: discriminator's and generator's contrastive losses on f_D.
    contrastive_weight
        The published itc: the generator's contrastive loss on the painted picture's own embedding.
    smallest_window
        Side of the random crop that is embedded, 1 being the whole picture.
    caption_share
        Share of pictures conditioned on a caption instead of a pseudo text.
    ada, ada_full_after_images
        Whether pictures are augmented before the discriminator, as much as it overfits; from not at
        all to always takes at least so many pictures.
    """

    learning_rate: float = 2.5e-3
    adversarial_learning_rate: float = 2.5e-3
    paired_share: float = 0.0
    paired_share_in_game: float = 0.0
    perturbation: Perturbation = Perturbation.FIXED
    xi: float = 0.75
    xi_varies: bool = False
    mixed_share: float = 0.0
    pixel_weight: float = 0.0
    feature_weight: float = 0.0
    cosine_weight: float = 0.0
    semantic_weight: float = 10.0
    contrastive_weight: float = 10.0
    smallest_window: float = 0.5
    r1_weight: float = 10.0
    r1_every: int = 16
    path_weight: float = 2.0
    path_every: int = 4
    style_mixing: float = 0.9
    caption_share: float = 0.0
    ada: bool = False
    ada_full_after_images: int = 500_000
    ema_half_life_images: float = 5_000.0

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "perturbation", Perturbation(self.perturbation))
        except ValueError:
            kinds = " or ".join(f"'{p.value}'" for p in Perturbation)
            raise RequestError(
                f"The setting 'perturbation' is {kinds}, not {self.perturbation!r}."
            ) from None
        check_settings(self)
        require_at_least_one(self, ("r1_every", "path_every", "ada_full_after_images"))
        if self.perturbation is Perturbation.TRAINABLE and not 0 < self.xi < 1:
            raise RequestError(
                f"A trainable perturbation begins with ξ between 0 and 1, not {self.xi}; set xi."
            )
        for name in ("paired_share", "xi", "mixed_share", "style_mixing", "caption_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise RequestError(
                    f"LAFITE's {name} lies between 0 and 1, not {getattr(self, name)}."
                )

    @classmethod
    def published(cls, has_captions: bool = False) -> "LafiteSettings":
        """Zhou et al. (2022): language-free, or with captions."""
        if has_captions:
            return cls(xi=0.1, semantic_weight=5.0, caption_share=1.0)
        return cls()

    @classmethod
    def small(cls, has_captions: bool = False) -> "LafiteSettings":
        """For some hundred photographs and a CPU."""
        return cls(
            caption_share=0.5 if has_captions else 0.0,
            ada_full_after_images=20_000,
            adversarial_learning_rate=5e-4,
            paired_share=0.92,
            paired_share_in_game=0.3,
            xi=0.4,
            xi_varies=True,
            mixed_share=0.15,
            pixel_weight=2.0,
            feature_weight=4.0,
            cosine_weight=0.7,
            semantic_weight=1.0,
            contrastive_weight=0.5,
            smallest_window=0.6,
            r1_weight=1.0,
            path_weight=0.0,
            style_mixing=0.0,
            ema_half_life_images=2_000.0,
        )
