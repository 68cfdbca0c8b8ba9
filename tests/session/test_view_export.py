"""Any view taken home: its size, its text, its numbers, and the state beside it."""

import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nsdviewer.cli import main
from nsdviewer.errors import RequestError
from nsdviewer.rendering.figure import compose_figure
from nsdviewer.rendering.view_cortex import render_cortex
from nsdviewer.rendering.view_figures import MOST_SCALE, compose_view, write_view
from nsdviewer.rendering.view_kinds import (
    ExportedView,
    ExportRequest,
    format_for,
    formats_of,
    sidecar_of,
)
from nsdviewer.session import open_workspace
from nsdviewer.session.concepts import concept_map, to_vertices
from nsdviewer.session.scenes import scene_of
from nsdviewer.session.view_export import drawing_of, export_view
from nsdviewer.session.view_provenance import provenance_in_words
from nsdviewer.state import CONCEPT, Hemisphere, LayerChoice, Theme, ViewState

DPI = 300


@pytest.fixture(scope="module")
def state(mini) -> ViewState:
    """Two layers, one trial and a voxel that has responses."""
    ijk = mini.workspace.encoder().sites.ijk
    voxel = tuple(int(v) for v in ijk[len(ijk) // 2])
    layers = (LayerChoice("noise-ceiling"), LayerChoice(CONCEPT))
    return mini.state.replace(
        concept="animal", theme=Theme.LIGHT, voxel=voxel, layers=layers, noise_ceiling_floor_pct=0.0
    )


@pytest.fixture(scope="module")
def shown(mini):
    return concept_map(mini.workspace, "animal", 0.0)


def export(mini, state: ViewState, view: str, path: Path, **options) -> tuple[Path, ...]:
    return export_view(mini.workspace, state, ExportRequest(ExportedView(view), path, **options))


@pytest.mark.parametrize("view", [v.value for v in ExportedView])
def test_a_pictures_size_is_its_scale(mini, state: ViewState, tmp_path: Path, view: str) -> None:
    drawing = drawing_of(mini.workspace, state, ExportedView(view))
    width, height = compose_view(drawing, 0.1).get_size_inches()
    for scale in (0.15, 0.45):
        path = tmp_path / f"{view}_{scale}.png"
        write_view(drawing, path, scale, "a note")
        with Image.open(path) as picture:
            # The canvas is cut to whole pixels.
            assert abs(picture.width - width * DPI * scale) <= 1
            assert abs(picture.height - height * DPI * scale) <= 1
            assert picture.text["Description"] == "a note"
            pixels = np.asarray(picture.convert("RGB"))
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20


@pytest.mark.parametrize("view", ["figure", "cortex"])
def test_dollars_make_no_formula(mini, state: ViewState, tmp_path: Path, view: str) -> None:
    typed = state.replace(concept='"a dog for $5 ^& $HOME"')
    (path, _) = export(mini, typed, view, tmp_path / "typed.svg", scale=0.1)
    assert "for $5 ^&amp; $HOME" in path.read_text(encoding="utf-8")


def test_tiles_join_without_a_seam(mini, state: ViewState) -> None:
    scene = scene_of(mini.workspace, state.replace(trials=()))
    whole = render_cortex(scene, 420, 300).astype(int)
    tiled = render_cortex(scene, 420, 300, tile_px=120).astype(int)
    strays = (np.abs(whole - tiled).max(axis=2) > 24).mean()
    # What a tile laid two pixels aside would do.
    aside = (np.abs(whole - np.roll(whole, 2, axis=1)).max(axis=2) > 24).mean()
    assert strays < 0.02 and strays < aside / 3
    assert (np.abs(whole - whole[0, 0]).max(axis=2) > 24).mean() > 0.2


def test_a_picture_too_large_is_refused(mini, state: ViewState, tmp_path: Path) -> None:
    scene = scene_of(mini.workspace, state.replace(trials=()))
    with pytest.raises(RequestError, match="too large"):
        render_cortex(scene, 30_000, 100)
    for scale in (0.0, -1.0, MOST_SCALE + 1, float("nan")):
        with pytest.raises(RequestError, match="scale"):
            export(mini, state, "bars", tmp_path / "b.png", scale=scale)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".svg", ".pdf"])
def test_text_is_text_over_the_rendering(
    mini, state: ViewState, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"cortex{suffix}"
    export(mini, state, "cortex", path, scale=0.3)
    if suffix == ".svg":
        text = path.read_text(encoding="utf-8")
        said = re.findall(r"<text[^>]*>([^<]*)</text>", text)
        assert "simulated data" in said and "animal" in said
        assert any("% signal per unit" in each for each in said)
        assert "<image" in text
        assert '"concept": "animal"' in text.replace("&quot;", '"')
    else:
        page = path.read_bytes()
        # Letters come from a font, the cortex is the one picture.
        assert b"/Font" in page and page.count(b"/Subtype /Image") >= 1


def test_a_volume_is_the_map(mini, state: ViewState, shown, tmp_path: Path) -> None:
    path = tmp_path / "animal.nii.gz"
    files = export(mini, state, "slices", path)
    image = nib.load(path)
    assert np.array_equal(np.asarray(image.dataobj), shown.volume(), equal_nan=True)
    assert np.isnan(np.asarray(image.dataobj)).any()
    workspace = mini.workspace
    assert np.allclose(image.affine, workspace.reader.affine(workspace.space))
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (1, 0)
    note = json.loads(image.header.extensions[0].get_content())
    assert ViewState.from_dict(note) == state
    assert files == (path, tmp_path / "animal.json")
    # Another layer by its name.
    export(mini, state, "slices", tmp_path / "nc.nii", source="noise-ceiling")
    ceiling = np.asarray(nib.load(tmp_path / "nc.nii").dataobj)
    sites = mini.workspace.encoder().sites.ijk
    expected = 100 * mini.workspace.encoder().noise_ceiling
    assert np.allclose(ceiling[tuple(sites.T)], expected, equal_nan=True, atol=1e-3)


@pytest.mark.parametrize("suffix", [".func.gii", ".mgz"])
def test_meshes_are_the_map_on_both_hemispheres(
    mini, state: ViewState, shown, tmp_path: Path, suffix: str
) -> None:
    files = export(mini, state, "cortex", tmp_path / f"animal{suffix}")
    values = to_vertices(mini.workspace, shown)
    assert len(files) == 3 and files[2] == tmp_path / "animal.json"
    for hemisphere, path in zip(Hemisphere, files, strict=False):
        image = nib.load(path)
        found = image.darrays[0].data if suffix == ".func.gii" else np.asarray(image.dataobj)
        assert path.name == f"{hemisphere.value}.animal{suffix}"
        assert np.array_equal(np.squeeze(found), values[hemisphere], equal_nan=True)
        if suffix == ".func.gii":
            assert ViewState.from_dict(json.loads(image.meta["nsdviewer"])) == state


def test_tables_are_the_arrays(mini, state: ViewState, shown, tmp_path: Path) -> None:
    workspace = mini.workspace
    export(mini, state, "slices", tmp_path / "voxels.csv")
    voxels = pd.read_csv(tmp_path / "voxels.csv")
    at = tuple(voxels[["i", "j", "k"]].to_numpy().T)
    assert np.array_equal(voxels[CONCEPT].to_numpy(np.float32), shown.volume()[at], equal_nan=True)
    assert voxels[CONCEPT].notna().sum() == np.isfinite(shown.volume()).sum()
    assert "noise-ceiling" in voxels
    export(mini, state, "cortex", tmp_path / "vertices.csv")
    vertices = pd.read_csv(tmp_path / "vertices.csv")
    values = to_vertices(workspace, shown)
    for hemisphere, part in vertices.groupby("hemisphere"):
        expected = values[Hemisphere(hemisphere)][part["vertex"]]
        assert np.array_equal(part[CONCEPT].to_numpy(np.float32), expected, equal_nan=True)
    export(mini, state, "bars", tmp_path / "bars.csv")
    bars = pd.read_csv(tmp_path / "bars.csv")
    drawn = scene_of(workspace, state.replace(trials=())).roi_bars
    assert bars["region"].tolist() == [bar.name for bar in drawn]
    assert np.allclose(bars["mean"], [bar.mean_psc for bar in drawn])
    assert (bars["n_voxels"] == [bar.n_voxels for bar in drawn]).all()
    export(mini, state, "trials", tmp_path / "trials.csv")
    assert len(pd.read_csv(tmp_path / "trials.csv")) == len(workspace.table.select("all"))


def test_a_voxels_table_is_its_responses(mini, state: ViewState, tmp_path: Path) -> None:
    export(mini, state, "voxel", tmp_path / "voxel.csv")
    table = pd.read_csv(tmp_path / "voxel.csv")
    betas = mini.workspace.betas(mini.workspace.encoder().header.roi)
    column = betas.columns_of(np.array([state.voxel]))
    expected = betas.psc(table["trial"].to_numpy(), column)[:, 0]
    assert np.array_equal(table["psc"].to_numpy(np.float32), expected, equal_nan=True)
    z = table.dropna().groupby("session")["z_within_session"]
    assert np.allclose(z.mean(), 0, atol=1e-5) and np.allclose(z.std(), 1, atol=1e-5)
    nsd_ids = mini.workspace.table.column("nsd_id")[table["trial"]]
    assert (table["nsd_id"] == nsd_ids).all()


def test_the_state_beside_it_makes_the_same_again(mini, state: ViewState, tmp_path: Path) -> None:
    first = export(mini, state, "cortex", tmp_path / "first.png", scale=0.3)
    beside = json.loads(first[1].read_text(encoding="utf-8"))
    assert ViewState.load(first[1]) == state
    made_of = beside["provenance"]
    assert made_of["data"]["simulated"] is True
    assert made_of["models"]["encoder"]["header"]["roi"]
    assert len(made_of["models"]["encoder"]["fingerprint"]) == 16
    assert beside["exported"]["view"] == "cortex"
    again = tmp_path / "again.png"
    words = ["figure", str(first[1]), "-o", str(again), "--view", "cortex", "--scale", "0.3"]
    assert main(words) == 0
    with Image.open(first[0]) as a, Image.open(again) as b:
        assert np.array_equal(np.asarray(a), np.asarray(b))


def test_the_whole_figure_is_the_windows(mini, state: ViewState) -> None:
    drawing = drawing_of(mini.workspace, state, ExportedView.FIGURE)
    assert np.allclose(
        compose_view(drawing, 0.2).get_size_inches(),
        compose_figure(scene_of(mini.workspace, state), 0.2).get_size_inches(),
    )


def test_what_cannot_be_written_is_said_in_a_sentence(
    mini, state: ViewState, tmp_path: Path
) -> None:
    bare = state.replace(concept="", layers=(), trials=())
    outside = state.replace(voxel=(0, 0, 0))
    (tmp_path / "file").write_text("no folder")
    cases = (
        (state, "bars", "bars.nii.gz", "is written as"),
        (state, "voxel", "voxel.txt", "is written as"),
        (bare, "slices", "m.nii.gz", "No layer"),
        (bare, "bars", "b.png", "No region"),
        (bare, "bars", "b.csv", "No region"),
        (bare, "bench", "b.png", "Nothing is reconstructed"),
        (bare, "bench", "b.csv", "Nothing is reconstructed"),
        (bare.replace(voxel=None), "voxel", "v.png", "No voxel"),
        (outside, "voxel", "v.csv", "no numbers"),
        (state, "cortex", "file/x.csv", "cannot be written"),
        (state, "bars", "file/x.png", "cannot be written"),
    )
    for asked, view, name, message in cases:
        with pytest.raises(RequestError, match=message) as caught:
            export(mini, asked, view, tmp_path / name)
        assert str(caught.value).endswith(".") and "\n" not in str(caught.value)
    with pytest.raises(RequestError, match="is not shown"):
        export(mini, state, "slices", tmp_path / "m.nii", source="encoder-r")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_card_without_responses_is_drawn_all_the_same(
    mini, state: ViewState, tmp_path: Path
) -> None:
    export(mini, state.replace(voxel=(0, 0, 0)), "voxel", tmp_path / "v.png", scale=0.2)
    assert (tmp_path / "v.png").stat().st_size > 1000


def test_the_command_writes_numbers_by_the_suffix(
    mini, state: ViewState, tmp_path: Path, capsys
) -> None:
    state.save(tmp_path / "state.json")
    out = tmp_path / "map.csv"
    words = ["figure", str(tmp_path / "state.json"), "-o", str(out)]
    assert main([*words, "--view", "slices"]) == 0
    assert str(out) in capsys.readouterr().out
    assert main([*words, "--view", "figure"]) == 1
    assert "is written as" in capsys.readouterr().err


def test_formats_and_names() -> None:
    for view in ExportedView:
        for each in formats_of(view):
            for suffix in each.suffixes:
                path = Path("folder") / f"a.b{suffix}"
                assert format_for(view, path) == each
                assert sidecar_of(path) == Path("folder/a.b.json")
    on_vertices = [f.suffix for f in formats_of(ExportedView.CORTEX, is_volume=False)]
    assert ".nii.gz" not in on_vertices and ".func.gii" in on_vertices


def test_views_open_again_in_another_workspace(mini, state: ViewState, tmp_path: Path) -> None:
    files = export(mini, state, "bars", tmp_path / "bars.csv")
    opened = ViewState.load(files[1])
    workspace = open_workspace(opened)
    export_view(workspace, opened, ExportRequest(ExportedView.BARS, tmp_path / "again.csv"))
    assert (tmp_path / "again.csv").read_text() == (tmp_path / "bars.csv").read_text()


def test_all_that_a_view_is_made_of_is_said(mini, state: ViewState) -> None:
    said = dict(provenance_in_words(mini.workspace, state.replace(trials=(3,), seed=7)))
    assert said["data"].startswith("SIMULATED") and str(mini.root) in said["data"]
    assert said["seed"] == "7" and state.concept in said["concept"]
    for kind in ("encoder", "decoder"):
        header = getattr(mini.workspace, kind)().header
        assert said[kind].startswith(f"{header.model}, {header.roi}")
    assert {"subject", "responses", "embedding", "test", "noise ceiling", "generator"} <= set(said)
