"""Models and maps in every space that NSD's betas come in, from files written by its description."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from nsdviewer.cli import main
from nsdviewer.models.decoders.registry import load_decoder
from nsdviewer.models.encoder import load_encoder
from tests.nsd_tree import TinyTree, build_tree
from tests.nsd_tree.tree import B2, B3

SPACES = (
    ("func1mm", B3, "hdf5"),
    ("MNI", B2, "nii.gz"),
    ("nativesurface", B3, "hdf5"),
    ("fsaverage", B3, "mgh"),
)


def run(*words: object) -> int:
    return main([str(w) for w in words])


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> TinyTree:
    """One session in every space; its pictures are flat colours, and its betas noise."""
    root = tmp_path_factory.mktemp("spaces") / "nsd"
    return build_tree(root, sessions=(1,), betas=SPACES, fsaverage_order=1)


@pytest.mark.parametrize(
    ("space", "version"),
    [
        # Fine grids go the way of the coarser one, with many times the voxels.
        pytest.param(s, v, marks=pytest.mark.slow if s in ("func1mm", "MNI") else ())
        for s, v, _ in SPACES
    ],
)
def test_models_are_fitted_and_maps_written(
    tree: TinyTree, tmp_path: Path, space: str, version: str
) -> None:
    on_surface = space in ("nativesurface", "fsaverage")
    options = (tree.root, "--subject", 1, "--space", space, "--version", version)
    options += ("--embedding", "conse")
    decoder, encoder = tmp_path / "d.safetensors", tmp_path / "e.safetensors"
    roi = ("--roi", "all")
    assert run("fit", "decoder", *options, *roi, "--out", decoder) == 0
    assert run("fit", "encoder", *options, *roi, "--out", encoder) == 0
    sites = load_encoder(encoder).sites
    assert len(sites) == len(load_decoder(decoder).sites) > 10
    concept = (*options, "--concept", "red - blue", "--encoder", encoder, "--decoder", decoder)
    floor = ("--noise-ceiling", 0)
    out = tmp_path / "m.npz"
    tested = ("--stat", "p:0.05", "--null", "images", "--draws", 50, "--out", out)
    assert run("map", *concept, *floor, *tested) == 0
    with np.load(out) as found:
        assert len(found["values"]) == len(sites)
        assert ("vertex" in found) == on_surface
        assert found["significant"].mean() < 0.3  # nothing was planted
    pattern = (*concept, *floor, "--reading", "pattern")
    suffix = ".gii" if on_surface else ".nii.gz"
    assert run("map", *pattern, "--out", tmp_path / f"p{suffix}") == 0
    if on_surface:
        images = [nib.load(tmp_path / f"{h}.p.gii").darrays[0].data for h in ("lh", "rh")]
        assert sum(int(np.isfinite(im).sum()) for im in images) > 10
    assert json.loads((tmp_path / "p.json").read_text())["space"] == space
    decoded = tmp_path / "decoded"
    trials = ("--decoder", decoder, "--trials", "0,5:8", "--out", decoded)
    assert run("decode", *options, *trials) == 0
    # A volume's file for a surface's map, or the other way round, is refused before any work.
    if on_surface:
        assert run("map", *concept, "--out", tmp_path / "w.nii.gz") == 1
        assert not (tmp_path / "w.nii.gz").exists()
