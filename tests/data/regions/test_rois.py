"""ROI expressions follow set algebra on voxels and vertices, and files are read as NSD writes them."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nsdviewer.data.formats.volumes import write_mgh, write_volume
from nsdviewer.data.layout import NsdRoot, SubjectFiles
from nsdviewer.data.regions.rois import (
    list_collections,
    load_collection,
    read_ctab,
    roi_mask,
    roi_names,
    roi_vertices,
)
from nsdviewer.errors import DataError, DataWarning, RequestError
from nsdviewer.state import Hemisphere, Space

SPACE = Space.FUNC1PT8MM
SHAPE = (4, 5, 6)
N_VERTICES = 12
LEFT, RIGHT = Hemisphere.LEFT, Hemisphere.RIGHT


@pytest.fixture(scope="session")
def simulated(mini_root: Path) -> SubjectFiles:
    return NsdRoot.open(mini_root).subject(1)


def write_map(files: SubjectFiles, name: str, values: np.ndarray) -> np.ndarray:
    write_volume(files.ppdata / SPACE.value / f"{name}.nii.gz", values, np.diag([1.8, 1.8, 1.8, 1]))
    return values


def split(labels: np.ndarray) -> dict[str, np.ndarray]:
    """NSD's three files of a collection: the left half of the grid is the left hemisphere."""
    is_left = np.indices(SHAPE)[0] < SHAPE[0] // 2
    return {
        "": labels,
        "lh.": np.where(is_left, labels, -1),
        "rh.": np.where(is_left, -1, labels),
    }


def write_collection(files: SubjectFiles, name: str, labels: np.ndarray) -> None:
    for prefix, part in split(labels).items():
        write_map(files, f"roi/{prefix}{name}", part.astype(np.float64))


@pytest.fixture
def files(tmp_path: Path) -> SubjectFiles:
    """A partial download: masks, maps and three collections, no FreeSurfer folder."""
    folder = tmp_path / "nsd"
    (folder / "nsddata/ppdata/subj01").mkdir(parents=True)
    files = NsdRoot.open(folder).subject(1)
    rng = np.random.default_rng(0)
    write_map(files, "brainmask", np.ones(SHAPE, np.int16))
    for name, n_labels in (("prf-visualrois", 7), ("corticalsulc", 28), ("nsdgeneral", 1)):
        write_collection(files, name, rng.integers(-1, n_labels + 1, SHAPE))
    write_map(files, "aseg", rng.integers(0, 18, SHAPE).astype(np.int16))
    values = rng.normal(10, 20, SHAPE).astype(np.float32)
    values[0] = np.nan
    write_map(files, "prf_R2", values)
    return files


def stored(files: SubjectFiles, name: str) -> np.ndarray:
    return nib.load(files.ppdata / SPACE.value / f"{name}.nii.gz").get_fdata()


def test_expressions_follow_set_algebra(simulated: SubjectFiles) -> None:
    def mask(expression: str) -> np.ndarray:
        return roi_mask(simulated, SPACE, expression)

    v1, general = mask("prf-visualrois:V1v"), mask("nsdgeneral")
    np.testing.assert_array_equal(mask("nsdgeneral & prf-visualrois:V1v"), v1 & general)
    np.testing.assert_array_equal(mask("nsdgeneral | V1v"), v1 | general)
    np.testing.assert_array_equal(
        mask("!(nsdgeneral|V1v)&brainmask"), mask("brainmask") & ~(v1 | general)
    )
    hemispheres = mask("lh.nsdgeneral"), mask("rh.nsdgeneral")
    assert not (hemispheres[0] & hemispheres[1]).any()
    np.testing.assert_array_equal(hemispheres[0] | hemispheres[1], general)


def test_all_thirteen_collections_are_listed_and_read(simulated: SubjectFiles) -> None:
    names = list_collections(simulated, SPACE)
    assert len(names) == 13
    for name in names:
        both = load_collection(simulated, SPACE, name)
        assert set(both.present) <= set(both.names)
        for side in Hemisphere:
            one = load_collection(simulated, SPACE, name, side)
            assert one.present <= both.present
    assert roi_names(simulated, SPACE)["V1v"] == ("prf-visualrois", 1)


EXPRESSIONS = st.recursive(
    st.sampled_from(["nsdgeneral", "prf-visualrois:V1v", "lh.cortex", "prf_R2 > 10", "aseg:17"]),
    lambda inner: st.one_of(
        st.builds("!({})".format, inner),
        st.builds("({}) & {}".format, inner, inner),
        st.builds("({})|({})".format, inner, inner),
    ),
    max_leaves=6,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(left=EXPRESSIONS, right=EXPRESSIONS)
def test_de_morgan(files: SubjectFiles, left: str, right: str) -> None:
    np.testing.assert_array_equal(
        roi_mask(files, SPACE, f"!(({left}) | ({right}))"),
        roi_mask(files, SPACE, f"!({left}) & !({right})"),
    )


@settings(max_examples=200, deadline=None)
@given(text=st.text(alphabet="Vab1 !&|()<>=.:-+#\n", max_size=30))
def test_any_text_is_a_mask_or_a_request_error(tmp_path_factory, text: str) -> None:
    folder = tmp_path_factory.getbasetemp() / "any_text"
    (folder / "nsddata/ppdata/subj01").mkdir(parents=True, exist_ok=True)
    with pytest.raises(RequestError):
        roi_mask(NsdRoot.open(folder).subject(1), SPACE, text)


def test_minus_one_is_not_a_region(files: SubjectFiles) -> None:
    raw = stored(files, "roi/nsdgeneral")
    np.testing.assert_array_equal(roi_mask(files, SPACE, "nsdgeneral"), raw == 1)
    np.testing.assert_array_equal(roi_mask(files, SPACE, "cortex"), raw >= 0)
    left = stored(files, "roi/lh.nsdgeneral")
    np.testing.assert_array_equal(roi_mask(files, SPACE, "lh.cortex"), left >= 0)


@pytest.mark.parametrize(
    ("sign", "compare"),
    [
        (">", np.greater),
        (">=", np.greater_equal),
        ("<", np.less),
        ("<=", np.less_equal),
        ("==", np.equal),
        ("!=", np.not_equal),
    ],
)
def test_comparisons_are_numpys_and_false_for_nan(files: SubjectFiles, sign, compare) -> None:
    values = stored(files, "prf_R2")
    for number in ("10", "-2.5", "+1e1", str(float(values[2, 2, 2]))):
        expected = compare(values, float(number)) & np.isfinite(values)
        for expression in (f"prf_R2 {sign} {number}", f"prf_R2{sign}{number}"):
            np.testing.assert_array_equal(roi_mask(files, SPACE, expression), expected)


def test_masks_and_segmentations(files: SubjectFiles) -> None:
    rng = np.random.default_rng(1)
    sessions = rng.integers(0, 2, (3, *SHAPE))
    for k, session in enumerate(sessions, start=1):
        write_map(files, f"valid_session{k:02d}", session.astype(np.int16))
    always = sessions.all(axis=0)
    # Without the mean, the sessions tell; with it, only what is always valid counts.
    np.testing.assert_array_equal(roi_mask(files, SPACE, "valid"), always)
    write_map(files, "valid", sessions.mean(axis=0).astype(np.float32))
    np.testing.assert_array_equal(roi_mask(files, SPACE, "valid"), always)
    np.testing.assert_array_equal(roi_mask(files, SPACE, "valid_session03"), sessions[2] == 1)
    np.testing.assert_array_equal(roi_mask(files, SPACE, "aseg:17"), stored(files, "aseg") == 17)
    np.testing.assert_array_equal(roi_mask(files, SPACE, "aseg"), stored(files, "aseg") > 0)
    assert roi_mask(files, SPACE, "all").all()
    assert roi_mask(files, SPACE, "brainmask").shape == SHAPE


def test_in_mni_data_in_any_session_stand_for_the_brain(files: SubjectFiles) -> None:
    sessions = np.random.default_rng(1).integers(0, 2, (2, *SHAPE)).astype(np.int16)
    for k, session in enumerate(sessions, start=1):
        write_volume(files.valid_mask(Space.MNI, k), session, np.eye(4))
    np.testing.assert_array_equal(roi_mask(files, Space.MNI, "brainmask"), sessions.any(axis=0))
    np.testing.assert_array_equal(roi_mask(files, Space.MNI, "valid"), sessions.all(axis=0))


def test_published_names_serve_without_their_tables(files: SubjectFiles) -> None:
    raw = stored(files, "roi/prf-visualrois")
    np.testing.assert_array_equal(roi_mask(files, SPACE, "prf-visualrois:V1v"), raw == 1)
    np.testing.assert_array_equal(roi_mask(files, SPACE, "prf-visualrois:7"), raw == 7)
    sulci = load_collection(files, SPACE, "corticalsulc")
    assert sulci.names[3] == "corticalsulc 3"
    np.testing.assert_array_equal(roi_mask(files, SPACE, "corticalsulc:3"), sulci.labels == 3)


def test_a_label_without_voxels_is_legal(files: SubjectFiles) -> None:
    write_collection(files, "floc-faces", np.minimum(stored(files, "roi/nsdgeneral"), 1))
    for expression in ("floc-faces:aTL-faces", "aTL-faces", "rh.floc-faces:aTL-faces"):
        assert not roi_mask(files, SPACE, expression).any()
    assert "aTL-faces" not in roi_names(files, SPACE)
    # A label that only the other hemisphere has, known by number alone.
    labels = np.full(SHAPE, -1)
    labels[0], labels[-1] = 91, 92
    write_collection(files, "own", labels)
    assert not roi_mask(files, SPACE, "lh.own:92").any()
    assert roi_mask(files, SPACE, "rh.own:92").any()


@pytest.mark.parametrize("subcortical", [False, True])
def test_a_missing_combined_volume_is_made_of_two(files: SubjectFiles, subcortical: bool) -> None:
    name = "MTL" if subcortical else "prf-visualrois"
    if subcortical:
        labels = np.random.default_rng(2).integers(0, 4, SHAPE)
        for prefix, part in split(labels).items():
            write_map(files, f"roi/{prefix}{name}", np.maximum(part, 0).astype(np.int16))
    both = load_collection(files, SPACE, name).labels
    files.roi(SPACE, name).unlink()
    assert name in list_collections(files, SPACE)
    np.testing.assert_array_equal(load_collection(files, SPACE, name).labels, both)
    files.roi(SPACE, name, LEFT).unlink()
    assert name not in list_collections(files, SPACE)
    with pytest.raises(DataError, match=rf"{name}\.nii\.gz is missing.*download"):
        roi_mask(files, SPACE, name)


def test_a_missing_hemisphere_is_named(files: SubjectFiles) -> None:
    files.roi(SPACE, "nsdgeneral", RIGHT).unlink()
    assert roi_mask(files, SPACE, "nsdgeneral").any()
    with pytest.raises(DataError, match=r"rh\.nsdgeneral\.nii\.gz"):
        roi_mask(files, SPACE, "rh.nsdgeneral")


@pytest.mark.parametrize(
    "labels",
    [
        np.where(np.indices(SHAPE)[0] == 0, np.nan, 1.0),
        np.full(SHAPE, 1.5),
        np.full(SHAPE, -2.0),
        np.full(SHAPE, np.inf),
        np.ones((4, 5, 7)),
        np.ones((4, 5)),
        np.ones((*SHAPE, 2)),
    ],
)
def test_what_is_no_label_volume_is_refused(files: SubjectFiles, labels: np.ndarray) -> None:
    write_map(files, "roi/nsdgeneral", labels)
    with pytest.raises(DataError, match=r"nsdgeneral\.nii\.gz"):
        roi_mask(files, SPACE, "nsdgeneral")


def test_a_damaged_collection_does_not_hide_the_others(files: SubjectFiles) -> None:
    path = files.roi(SPACE, "corticalsulc")
    path.write_bytes(path.read_bytes()[:40])
    with pytest.warns(DataWarning, match="corticalsulc"):
        assert roi_mask(files, SPACE, "V1v").any()


def test_files_that_change_are_read_again(files: SubjectFiles) -> None:
    before = roi_mask(files, SPACE, "nsdgeneral")
    write_map(files, "roi/nsdgeneral", np.zeros(SHAPE, np.int16))
    assert before.any()
    assert not roi_mask(files, SPACE, "nsdgeneral").any()


@pytest.mark.parametrize(
    "expression",
    [
        *("", "nowhere", "nsdgeneral:V9", "nsdgeneral &", "(nsdgeneral", "a b", "€", ")"),
        *("aseg:x", "aseg >", "prf_R2", "prf_R2 > x", "prf_R2 > nan", "prf_R2 > 3 > 4"),
        *("lh.prf_R2 > 3", "nsdgeneral > 3", "10 < prf_R2", "lh.brainmask", "!" * 5000),
    ],
)
def test_what_cannot_be_read_is_named(files: SubjectFiles, expression: str) -> None:
    with pytest.raises(RequestError):
        roi_mask(files, SPACE, expression)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("Nsdgeneral", "nsdgeneral"), ("prf_r2 > 3", "prf_R2"), ("v1v", "V1v"), ("aesg:1", "aseg")],
)
def test_a_near_miss_gets_a_suggestion(files: SubjectFiles, wrong: str, right: str) -> None:
    with pytest.raises(RequestError, match=f"Did you mean '{right}'.*corticalsulc"):
        roi_mask(files, SPACE, wrong)


# On vertices.


@pytest.fixture(params=[Space.NATIVESURFACE, Space.FSAVERAGE])
def surface(request, files: SubjectFiles) -> tuple[SubjectFiles, Space]:
    """Labels and a map on both hemispheres, no surfaces."""
    space = request.param
    for side in Hemisphere:
        rng = np.random.default_rng(3)
        for name, values in (
            ("nsdgeneral", rng.integers(0, 2, N_VERTICES)),
            ("Kastner2015", rng.permutation(np.r_[:10, 0, 0])),
            ("prfR2", np.r_[np.nan, rng.normal(10, 20, N_VERTICES - 1)]),
            ("valid", rng.permutation(np.r_[np.ones(8), 0.975, 0.5, 0, 0])),
        ):
            write_mgh(files.label(space, side, name), values)
    return files, space


def test_vertices_follow_the_same_grammar(surface) -> None:
    files, space = surface
    assert set(list_collections(files, space)) == {"nsdgeneral", "Kastner2015"}

    def vertices(expression: str) -> dict[Hemisphere, np.ndarray]:
        return roi_vertices(files, space, expression)

    for side in Hemisphere:
        labels = nib.load(files.label(space, side, "Kastner2015")).get_fdata().ravel()
        r2 = nib.load(files.label(space, side, "prfR2")).get_fdata().ravel()
        for expression in ("Kastner2015:V2v", "V2v", "Kastner2015:3"):
            np.testing.assert_array_equal(vertices(expression)[side], labels == 3)
        np.testing.assert_array_equal(vertices("prfR2 > 10")[side], r2 > 10)
        np.testing.assert_array_equal(
            vertices("!(V2v | prfR2 > 10) & nsdgeneral")[side],
            ~((labels == 3) | (r2 > 10)) & vertices("nsdgeneral")[side],
        )
        valid = nib.load(files.label(space, side, "valid")).get_fdata().ravel()
        np.testing.assert_array_equal(vertices("valid")[side], valid == 1)
        assert vertices("all")[side].all()
    for expression in ("lh.nsdgeneral", "lh.prfR2 > -1000", "lh.cortex"):
        left = vertices(expression)
        assert left[LEFT].any()
        assert not left[RIGHT].any()


def test_one_hemisphere_may_be_missing_but_not_both(surface) -> None:
    files, space = surface
    files.label(space, RIGHT, "nsdgeneral").unlink()
    assert set(roi_vertices(files, space, "nsdgeneral & prfR2 > 10")) == {LEFT}
    assert set(roi_vertices(files, space, "prfR2 > 10")) == {LEFT, RIGHT}
    files.label(space, LEFT, "nsdgeneral").unlink()
    with pytest.raises(RequestError, match="nsdgeneral"):
        roi_vertices(files, space, "nsdgeneral")
    with pytest.raises(RequestError, match="brain mask"):
        roi_vertices(files, space, "brainmask")
    with pytest.raises(RequestError, match="no vertices"):
        roi_vertices(files, SPACE, "all")
    with pytest.raises(RequestError, match="no voxels"):
        roi_mask(files, space, "all")


def test_freesurfers_label_is_the_cortex(surface) -> None:
    files, space = surface
    path = files.freesurfer_of(space) / "label" / "lh.cortex.label"
    path.write_text("#!ascii label\n2\n3 0 0 0 0\n7 1 2 3 0\n")
    assert np.flatnonzero(roi_vertices(files, space, "cortex")[LEFT]).tolist() == [3, 7]
    path.write_text("#!ascii label\n2\n3 0 0 0 0\n")
    with pytest.raises(DataError, match=r"cortex\.label"):
        roi_vertices(files, space, "cortex")
    path.write_text("#!ascii label\n1\n99 0 0 0 0\n")
    with pytest.raises(DataError, match="vertex 99"):
        roi_vertices(files, space, "cortex")


def test_simulated_labels_are_the_same_on_both_surfaces(simulated: SubjectFiles) -> None:
    counts = [
        {side: int(mask.sum()) for side, mask in roi_vertices(simulated, space, "streams").items()}
        for space in (Space.FSAVERAGE, Space.NATIVESURFACE)
    ]
    assert counts[0] == counts[1]
    assert min(counts[0].values()) > 0


# Tables of names.


def test_label_files_are_no_freesurfer_tables() -> None:
    text = "0 Unknown\n1 V1v \t\n\n2 ventral pulvinar\n10\tecc4+\nnonsense\n-3 x\n4\n² y\n1 again\n"
    assert read_ctab(text) == {1: "V1v", 2: "ventral", 10: "ecc4+"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_tables_are_read_in_any_encoding(files: SubjectFiles, encoding: str, newline: str) -> None:
    path = files.freesurfer / "label" / "corticalsulc.mgz.ctab"
    path.parent.mkdir(parents=True)
    path.write_bytes(newline.join(["0 Unknown", "1 Sylvische_Fläche \t", "2 b"]).encode(encoding))
    names = load_collection(files, SPACE, "corticalsulc").names
    assert (names[1], names[2]) == ("Sylvische_Fläche", "b")
    # An empty table counts as none.
    path.write_bytes(b"")
    assert load_collection(files, SPACE, "corticalsulc").names[1] == "corticalsulc 1"
