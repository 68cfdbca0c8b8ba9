"""ROI expressions follow set algebra, and label files are read as NSD writes them."""

import numpy as np
import pytest

from nsdviewer.data.rois import load_collection, read_ctab, roi_mask
from nsdviewer.errors import RequestError
from nsdviewer.state import Hemisphere, Space
from tests.conftest import Subject

SPACE = Space.FUNC1PT8MM


def test_expressions_follow_set_algebra(mini: Subject) -> None:
    def mask(expression: str) -> np.ndarray:
        return roi_mask(mini.workspace.files, SPACE, expression)

    v1, general = mask("prf-visualrois:V1v"), mask("nsdgeneral")
    np.testing.assert_array_equal(mask("nsdgeneral & prf-visualrois:V1v"), v1 & general)
    np.testing.assert_array_equal(mask("nsdgeneral | V1v"), v1 | general)
    np.testing.assert_array_equal(
        mask("!(nsdgeneral|V1v)&brainmask"), mask("brainmask") & ~(v1 | general)
    )
    hemispheres = mask("lh.nsdgeneral"), mask("rh.nsdgeneral")
    assert not (hemispheres[0] & hemispheres[1]).any()
    np.testing.assert_array_equal(hemispheres[0] | hemispheres[1], general)


def test_minus_one_is_not_a_region(mini: Subject) -> None:
    labels = load_collection(mini.workspace.files, SPACE, "nsdgeneral").labels
    assert (labels == -1).any()
    np.testing.assert_array_equal(roi_mask(mini.workspace.files, SPACE, "nsdgeneral"), labels == 1)
    np.testing.assert_array_equal(roi_mask(mini.workspace.files, SPACE, "cortex"), labels >= 0)


def test_one_hemisphere_knows_only_its_own_ribbon(mini: Subject) -> None:
    files = mini.workspace.files
    left = load_collection(files, SPACE, "prf-visualrois", Hemisphere.LEFT).labels
    right = load_collection(files, SPACE, "prf-visualrois", Hemisphere.RIGHT).labels
    assert not ((left > 0) & (right > 0)).any()


@pytest.mark.parametrize(
    "expression", ["", "nowhere", "nsdgeneral:V9", "nsdgeneral &", "(nsdgeneral", "a b", "€"]
)
def test_an_unknown_region_is_named(mini: Subject, expression: str) -> None:
    with pytest.raises(RequestError):
        roi_mask(mini.workspace.files, SPACE, expression)


def test_label_files_are_no_freesurfer_tables() -> None:
    text = "0 Unknown\n1 V1v \t\n\n2 ventral pulvinar\n10\tecc4+\n"
    assert read_ctab(text) == {1: "V1v", 2: "ventral pulvinar", 10: "ecc4+"}
