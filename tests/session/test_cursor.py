"""The linked cursor: there and back, against planted geometry, and what it does without transforms."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from nsdviewer.data.layout import NsdRoot
from nsdviewer.errors import DataWarning
from nsdviewer.session.cursor import (
    anatomy_of_voxel,
    cursor_at,
    vertex_of_voxel,
    voxel_of_anatomy,
    voxel_of_vertex,
)
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import BetaVersion, Hemisphere, Space
from tests.bench.cursor import cursor_laws
from tests.nsd_tree import B2, B3, TinyTree, build_tree, truncate

SPACES = (
    (Space.FUNC1PT8MM, BetaVersion.B3),
    (Space.FUNC1MM, BetaVersion.B3),
    (Space.MNI, BetaVersion.B2),
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> TinyTree:
    """A subject whose anatomy and surfaces are known in millimetres."""
    betas = (("func1pt8mm", B3, "hdf5"), ("func1mm", B3, "hdf5"), ("MNI", B2, "nii.gz"))
    root = tmp_path_factory.mktemp("cursor") / "nsd"
    return build_tree(root, sessions=(1,), betas=betas, fsaverage_order=1, stimuli=False)


def workspace_of(root: Path, space: Space, version: BetaVersion) -> Workspace:
    return Workspace(NsdRoot.open(root), 1, space, version, "conse")


def voxels_of(workspace: Workspace) -> list[tuple[int, int, int]]:
    return [(int(i), int(j), int(k)) for i, j, k in np.ndindex(workspace.grid)]


def test_a_thousand_points_come_home(mini) -> None:
    found = cursor_laws(mini.workspace, 1000, 3)
    assert found["holds"], found
    assert found["n_with_vertex"] > 500 and found["n_with_anatomy"] > 900


def test_the_nearest_vertex_is_the_nearest_of_all(mini) -> None:
    workspace = mini.workspace
    centres = {h: workspace.vertex_operator(h).centre_ijk for h in Hemisphere}
    rng = np.random.default_rng(1)
    voxels = rng.integers(0, workspace.grid, size=(300, 3))
    n_found = 0
    for voxel in voxels:
        away = {
            h: np.nan_to_num(np.abs(c - voxel).max(axis=1), nan=np.inf) for h, c in centres.items()
        }
        nearest = min(float(a.min()) for a in away.values())
        found = vertex_of_voxel(workspace, tuple(int(v) for v in voxel))
        if nearest >= 1.5:
            assert found is None
            continue
        assert found is not None and away[found[0]][found[1]] == nearest
        n_found += 1
    assert n_found > 50


def test_anatomy_agrees_with_the_transform_the_other_way(mini) -> None:
    """The warp onto the anatomy is another file than the one that the cursor reads."""
    from nsdviewer.data.spaces.places import Place, affine_of, grid_of
    from nsdviewer.data.spaces.transforms import read_pullback

    workspace = mini.workspace
    files = workspace.files
    other = read_pullback(files.ppdata / "transforms" / "func1pt8-to-anat0pt8.nii.gz")
    place = Place.parse("anat0pt8")
    affine = affine_of(files, place, grid_of(files, place))
    index = np.argwhere(np.isfinite(other).all(axis=-1))
    rng = np.random.default_rng(2)
    for at in index[rng.integers(len(index), size=400)]:
        mm = tuple(float(v) for v in affine[:3, :3] @ at + affine[:3, 3])
        expected, found = other[tuple(at)], voxel_of_anatomy(workspace, mm)
        if found is None:
            # Only half a voxel of margin lies beyond the outermost centres.
            assert (expected < 0).any() or (expected > np.array(workspace.grid) - 1).any()
        else:
            assert np.abs(expected - found).max() <= 1


@pytest.mark.parametrize(("space", "version"), SPACES, ids=lambda v: v.value)
def test_places_are_those_that_were_planted(
    tree: TinyTree, space: Space, version: BetaVersion
) -> None:
    workspace = workspace_of(tree.root, space, version)
    geometry = tree.subjects[1].geometry
    planted = geometry.positions(space.value)
    n_seen = 0
    for voxel in voxels_of(workspace):
        mm = anatomy_of_voxel(workspace, voxel)
        if mm is None:
            continue
        n_seen += 1
        assert np.abs(np.array(mm) - planted[voxel]).max() < 1e-3
        assert voxel_of_anatomy(workspace, mm) == voxel
    assert n_seen > 0.5 * np.prod(workspace.grid)
    # Vertices, of which the truth is in millimetres too.
    n_vertices = 0
    spacing_mm = np.linalg.norm(planted[1, 0, 0] - planted[0, 0, 0])
    for hemisphere in Hemisphere:
        truth = tree.subjects[1].hemispheres[hemisphere.value].anat_mm("layerB2")
        for vertex in range(len(truth)):
            voxel = voxel_of_vertex(workspace, hemisphere, vertex)
            if voxel is None:
                continue
            n_vertices += 1
            # At most half a voxel away on each axis.
            away_mm = np.linalg.norm(planted[voxel] - truth[vertex])
            assert away_mm <= np.sqrt(3) / 2 * spacing_mm + 1e-3
            back = vertex_of_voxel(workspace, voxel)
            assert back is not None
    assert n_vertices > 30


def test_a_clicked_vertex_stays(mini) -> None:
    workspace = mini.workspace
    for vertex in (10, 200, 700):
        voxel = voxel_of_vertex(workspace, Hemisphere.RIGHT, vertex)
        if voxel is not None:
            clicked = (Hemisphere.RIGHT, vertex)
            assert cursor_at(workspace, voxel, clicked).vertex == clicked
            # One that does not exist is looked for anew.
            assert cursor_at(workspace, voxel, (Hemisphere.RIGHT, 10**7)).vertex is not None


def test_without_transforms_there_is_a_voxel_and_no_error(tree: TinyTree, tmp_path: Path) -> None:
    shutil.copytree(tree.root, tmp_path / "nsd")
    transforms = tmp_path / "nsd/nsddata/ppdata/subj01/transforms"
    for path in transforms.glob("lh.*"):
        path.unlink()
    half = workspace_of(tmp_path / "nsd", *SPACES[0])
    sides = {
        cursor.vertex[0]
        for voxel in voxels_of(half)
        if (cursor := cursor_at(half, voxel)).vertex is not None
    }
    assert sides == {Hemisphere.RIGHT}
    shutil.rmtree(transforms)
    bare = workspace_of(tmp_path / "nsd", *SPACES[0])
    cursor = cursor_at(bare, (1, 2, 3), (Hemisphere.LEFT, 0))
    assert cursor.voxel == (1, 2, 3) and cursor.vertex is None and cursor.anatomy_mm is None
    assert voxel_of_anatomy(bare, (0.0, 0.0, 0.0)) is None


def test_a_damaged_transform_is_said_and_left_out(tree: TinyTree, tmp_path: Path) -> None:
    shutil.copytree(tree.root, tmp_path / "nsd")
    transforms = tmp_path / "nsd/nsddata/ppdata/subj01/transforms"
    truncate(transforms / "anat0pt8-to-func1pt8.nii.gz")
    workspace = workspace_of(tmp_path / "nsd", *SPACES[0])
    with pytest.warns(DataWarning, match="anat0pt8-to-func1pt8"):
        found = anatomy_of_voxel(workspace, (3, 4, 4))
    # The other anatomies say the same.
    planted = tree.subjects[1].geometry.positions("func1pt8mm")[3, 4, 4]
    assert found is not None and np.abs(np.array(found) - planted).max() < 1e-3
