"""What NSD's and FreeSurfer's maps mean, by name: unit, description, and how they are stored."""

import re
from dataclasses import dataclass, replace
from enum import Enum, auto

from nsdviewer.state import BetaVersion

_WHEN = re.compile(r"_(session\d\d|prffloc|nsdsynthetic|nsdimagery)$")


class MapKind(Enum):
    """How stored values are read."""

    SCALAR = auto()
    LABELS = auto()
    INDEX = auto()
    STORED_BETA = auto()


@dataclass(frozen=True)
class Meaning:
    """What the maps whose name fits a pattern hold."""

    pattern: str
    unit: str
    description: str
    kind: MapKind = MapKind.SCALAR


# The first that fits counts; `prf_angle` of a volume is `prfangle` on vertices.
_MEANINGS = (
    Meaning("prf_?R2", "%", "variance explained by the receptive field model"),
    Meaning(
        "prf_?angle",
        "deg",
        "polar angle of the receptive field, counter-clockwise from the right horizontal meridian",
    ),
    Meaning("prf_?eccentricity", "deg", "receptive field's distance from fixation, visual angle"),
    Meaning("prf_?size", "deg", "size of the receptive field, visual angle"),
    Meaning("prf_?exponent", "", "exponent of the receptive field model"),
    Meaning("prf_?gain", "", "gain of the receptive field model"),
    Meaning("prf_?meanvol", "", "mean EPI of the receptive field runs"),
    Meaning("floc_?R2", "%", "variance explained by the localizer model"),
    Meaning("floc_?R2xval", "%", "cross-validated variance explained by the localizer model"),
    Meaning("floc_?meanvol", "", "mean EPI of the localizer runs"),
    Meaning("floc_?([a-z]+)tval", "t", r"localizer contrast of \1 against all other categories"),
    Meaning("floc_?([a-z]+)anglemetric", "", r"angle metric of the localizer's \1"),
    Meaning("R2", "%", "variance explained by the ON-OFF model"),
    Meaning("b3R2", "%", "variance explained by the single-trial model of b3"),
    Meaning("onoffbeta", "% signal change", "amplitude of the ON-OFF model"),
    Meaning("mean|meanFIRST5", "", "mean EPI"),
    Meaning("valid", "", "share of sessions with data"),
    Meaning("brainmask", "", "1 inside the brain mask", MapKind.LABELS),
    Meaning("aseg", "", "FreeSurfer's segmentation", MapKind.LABELS),
    Meaning("hippoSfLabels", "", "hippocampal subfields", MapKind.LABELS),
    Meaning("surfaceimperfections", "", "marks of surface inspection", MapKind.LABELS),
    Meaning("signaldropout(?:_masked)?", "", "estimate of EPI signal dropout"),
    Meaning("(T1|T2|SWI|TOF)_to_.+", "", r"anatomy, \1-weighted"),
    Meaning("meanbeta", "% signal change", "mean over trials", MapKind.STORED_BETA),
    Meaning("HRFindex", "", "HRF of the library, from 0; −1 for none", MapKind.INDEX),
    Meaning("FRACvalue", "", "fraction of ridge regression"),
    Meaning("ncsnr(?:_split[12])?", "", "signal-to-noise ratio of the noise ceiling"),
    Meaning("probmap_(.+)", "", r"share of subjects whose \1 is here"),
    Meaning("sulc", "mm", "sulcal depth, positive in a sulcus"),
    Meaning("curv", "1/mm", "curvature, positive in a sulcus"),
    Meaning("thickness", "mm", "thickness of the cortex"),
    Meaning("area", "mm²", "area of the cortex around a vertex"),
)
_FLAG = Meaning("", "", "1 where there is data in every volume", MapKind.LABELS)
_SINGLE_TRIAL_R2 = Meaning("", "%", "variance explained by the single-trial model")


def meaning_of(name: str, version: BetaVersion | None) -> Meaning:
    """Return what the map `name` means; that of a beta version where one is named."""
    base = _WHEN.sub("", name)
    when = _WHEN.search(name)
    suffix = f" ({when[1]})" if when else ""
    if base == "valid" and when:
        return replace(_FLAG, description=_FLAG.description + suffix)
    if base == "R2" and version:
        return replace(_SINGLE_TRIAL_R2, description=_SINGLE_TRIAL_R2.description + suffix)
    for meaning in _MEANINGS:
        if match := re.fullmatch(meaning.pattern, base):
            return replace(meaning, description=match.expand(meaning.description) + suffix)
    return Meaning("", "", f"'{name}', of which NSD's manual says nothing")
