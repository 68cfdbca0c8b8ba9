"""What can be chosen: the few values that a field of the state may have."""

from enum import Enum

from nsdviewer.errors import RequestError


class Space(Enum):
    """Where responses are sampled; the values are NSD's folder names."""

    FUNC1PT8MM = "func1pt8mm"
    FUNC1MM = "func1mm"
    FSAVERAGE = "fsaverage"
    NATIVESURFACE = "nativesurface"
    MNI = "MNI"


class Experiment(Enum):
    """Which of NSD's experiments trials belong to; the values are NSD's names."""

    CORE = "nsd"
    RESTING = "resting"
    SYNTHETIC = "nsdsynthetic"
    IMAGERY = "nsdimagery"


class BetaVersion(Enum):
    """Which single-trial model the betas come from; the values are NSD's folder names."""

    B1 = "betas_assumehrf"
    B2 = "betas_fithrf"
    B3 = "betas_fithrf_GLMdenoise_RR"
    RESTING_B2 = "restingbetas_fithrf"
    SYNTHETIC_B2 = "nsdsyntheticbetas_fithrf"
    SYNTHETIC_B3 = "nsdsyntheticbetas_fithrf_GLMdenoise_RR"
    IMAGERY_B2 = "nsdimagerybetas_fithrf"
    IMAGERY_B3 = "nsdimagerybetas_fithrf_GLMdenoise_RR"

    @property
    def short(self) -> str:
        """``b1``, ``b2`` or ``b3``; ``synthetic-b3`` and the like for the side experiments."""
        return self.name.lower().replace("_", "-")

    @property
    def experiment(self) -> Experiment:
        """The experiment whose trials these betas are of."""
        prefix, _, model = self.name.partition("_")
        return Experiment[prefix] if model else Experiment.CORE

    @classmethod
    def parse(cls, text: str) -> "BetaVersion":
        """Read ``b3`` or ``betas_fithrf_GLMdenoise_RR``."""
        for version in cls:
            if text in (version.short, version.value):
                return version
        known = ", ".join(version.short for version in cls)
        raise RequestError(f"There is no beta version '{text}'; choose one of {known}.")


class Hemisphere(Enum):
    """Left or right; the values are FreeSurfer's prefixes."""

    LEFT = "lh"
    RIGHT = "rh"


class Reading(Enum):
    """What a concept map shows; see `nsdviewer.mapping.maps`."""

    ENCODER = "encoder"
    DECODER = "decoder"
    PATTERN = "pattern"


class Null(Enum):
    """What a test of a concept map holds against it.

    USUAL: PARTIAL where it exists, for the reading of a ridge encoder; else IMAGES.
    IMAGES: the site is unrelated to the pictures. Found sites answer to something.
    PARTIAL: the site may answer to much else, but not along the concept. Found sites answer to it.
    DIRECTIONS: the concept's map is no stronger than that of an arbitrary direction. Found sites
    answer to it more than to most ideas.
    """

    USUAL = "usual"
    IMAGES = "images"
    PARTIAL = "partial"
    DIRECTIONS = "directions"


class Theme(Enum):
    """Colours of window and figure."""

    DARK = "dark"
    LIGHT = "light"


class Unfolding(Enum):
    """What lies beyond the inflated cortex."""

    FLAT = "flat"
    SPHERE = "sphere"


class Sides(Enum):
    """Which hemispheres are drawn."""

    BOTH = "both"
    LEFT = "lh"
    RIGHT = "rh"


class Thresholding(Enum):
    """What happens to a layer below its threshold, or where its test does not pass.

    HARD hides it. TRANSPARENT fades it, and draws an outline around what lies above (Taylor et al.
    2023: "highlight, don't hide").
    """

    HARD = "hard"
    TRANSPARENT = "transparent"


class Underlay(Enum):
    """What the slices are drawn on."""

    ANATOMY = "anatomy"
    EPI = "epi"


class TrialsAs(Enum):
    """How trials are listed."""

    GRID = "grid"
    TABLE = "table"


class BenchRow(Enum):
    """What the bench shows below seen and reconstructed."""

    SEEDS = "seeds"
    CONTROLS = "controls"
    NEAREST = "nearest"
