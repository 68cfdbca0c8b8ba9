"""Which grid or mesh each file of the dataset lies on, and how many axes it has, by its name."""

import re
from dataclasses import dataclass

from nsdviewer.data.layout import TRANSFORM_NAMES, VOLUME_SPACES
from nsdviewer.state import Space

_SPACE_OF_TRANSFORM = {name: space.value for space, name in TRANSFORM_NAMES.items()}
_VOLUMES = tuple(space.value for space in VOLUME_SPACES)
_SUBJECT = r"ppdata/(?P<subject>subj\d\d)/"
_NIFTI = r"\.nii(?:\.gz)?$"
_MGH = r"\.mg[hz]$"
_FUNC = r"(?P<space>func1mm|func1pt8mm)/"
_SIZE = r"(?P<size>0pt5|0pt8|1pt0)"


@dataclass(frozen=True)
class Location:
    """Where a file's values lie.

    Attributes
    ----------
    place
        A volume space, or ``lh.nativesurface`` and the like.
    owner
        ``subj01``, or empty where all subjects share the place.
    n_axes
        Axes of the array, a vertex axis counting as one; None where it does not matter.
    is_betas
        Whether the last axis is trials of betas.
    """

    place: str
    owner: str
    n_axes: int | None
    is_betas: bool = False

    @property
    def is_volume(self) -> bool:
        """Whether the place is a grid of voxels."""
        return "." not in self.place


# Axes: None as many as there are; "map" 3, or 4 for several maps in one file.
_RULES = tuple(
    (re.compile(pattern), place, axes)
    for pattern, place, axes in (
        (rf"nsddata/{_SUBJECT}{_FUNC}(?:roi/)?(?P<name>[^/]+){_NIFTI}", "{space}", "map"),
        (rf"nsddata/{_SUBJECT}anat/[^/]+_to_MNI{_NIFTI}", "MNI", "map"),
        (rf"nsddata/{_SUBJECT}anat/[^/]+_to_anat{_SIZE}{_NIFTI}", "anat{size}", "map"),
        (rf"nsddata/{_SUBJECT}anat/(?:roi/other/)?[^/]+_{_SIZE}(?:_masked)?{_NIFTI}",
         "anat{size}", "map"),
        (rf"nsddata/{_SUBJECT}anat/roi/[^/]+{_NIFTI}", "anat0pt8", "map"),
        (rf"nsddata/{_SUBJECT}transforms/[^/]+-to-(?P<target>\w+){_NIFTI}", "{target}", "warp"),
        (rf"nsddata/{_SUBJECT}transforms/(?P<h>[lr]h)\.[^/]+-to-(?P<target>\w+){_MGH}",
         "{h}.{surface}", "vertex"),
        (rf"nsddata_betas/{_SUBJECT}(?P<space>func1mm|func1pt8mm|MNI)/[^/]+/betas_\w+"
         r"\.(?:nii(?:\.gz)?|hdf5|mat)$", "{space}", "betas"),
        (rf"nsddata_betas/{_SUBJECT}(?P<space>func1mm|func1pt8mm|MNI)/[^/]+/(?P<name>[^/]+)"
         rf"{_NIFTI}", "{space}", "map"),
        (rf"nsddata_betas/{_SUBJECT}(?P<space>fsaverage|nativesurface)/[^/]+/(?P<h>[lr]h)\."
         r"betas_\w+\.(?:mg[hz]|hdf5|mat)$", "{h}.{space}", "betas"),
        (rf"nsddata_betas/{_SUBJECT}(?P<space>fsaverage|nativesurface)/[^/]+/(?P<h>[lr]h)\."
         rf"[^/]+{_MGH}", "{h}.{space}", "vertex"),
        (rf"nsddata_timeseries/{_SUBJECT}{_FUNC}timeseries/[^/]+{_NIFTI}", "{space}", "time"),
        (r"nsddata/freesurfer/(?P<subject>subj\d\d|fsaverage)/label/(?P<h>[lr]h)\.[^/]+"
         rf"{_MGH}", "{h}.{surface}", "vertex"),
        (r"nsddata/freesurfer/(?P<subject>subj\d\d|fsaverage)/surf/(?P<h>[lr]h)\.[^/]+$",
         "{h}.{surface}", "vertex"),
    )
)  # fmt: skip
_FOUR_AXES = re.compile(r"floc_betas|(?:R2|HRFindex)run_.*")
_N_AXES = {"warp": 4, "time": 4, "vertex": None}


def locate(relative: str) -> Location | None:
    """Return where a file's values lie; None where its name does not say."""
    for pattern, place, axes in _RULES:
        if match := pattern.match(relative):
            return _location(match.groupdict(), place, axes)
    return None


def _location(parts: dict[str, str], template: str, axes: str) -> Location:
    target = parts.get("target") or ""
    surface = Space.NATIVESURFACE.value
    if Space.FSAVERAGE.value in (target, parts["subject"]):
        surface = Space.FSAVERAGE.value
    values = {**parts, "surface": surface, "target": _SPACE_OF_TRANSFORM.get(target, target)}
    place = template.format(**values)
    shared = place == Space.MNI.value or place.endswith(Space.FSAVERAGE.value)
    owner = "" if shared else parts["subject"]
    if axes == "betas":
        return Location(place, owner, 4 if place in _VOLUMES else 2, is_betas=True)
    if axes == "map":
        return Location(place, owner, 4 if _FOUR_AXES.fullmatch(parts.get("name") or "") else 3)
    return Location(place, owner, _N_AXES[axes])
