"""The virtual lesion: what is silenced counts as its training mean, what is left alone stays."""

import numpy as np
import pytest

from nsdviewer.data.betas.sites import Vertices
from nsdviewer.errors import NsdViewerError, RequestError
from nsdviewer.jobs import SilentProgress
from nsdviewer.session import Session
from nsdviewer.session.decoding import decode_groups, reconstruction_of, zscored
from nsdviewer.session.lesions import heard_regions, lesion_effect, words_of_change
from nsdviewer.session.patches import patch_sites
from nsdviewer.session.scaling import lesion_sign, scaling_words, site_factors
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import Hemisphere, Patch, ViewState
from tests.conftest import Subject

REGIONS = ("FFA-1", "V1v", "PPA", "EBA")


def scaled(mini: Subject, *pairs: tuple[str, float], patches: tuple[Patch, ...] = ()) -> ViewState:
    return mini.state.replace(scaling=pairs, patches=patches)


def factors_of(mini: Subject, *pairs: tuple[str, float]) -> np.ndarray | None:
    return site_factors(mini.workspace, scaled(mini, *pairs), mini.workspace.decoder().sites)


def groups_of(workspace: Workspace, n: int = 6) -> list[np.ndarray]:
    test = workspace.table.select("shared")
    ids = workspace.table.column("nsd_id")[test]
    return [test[ids == i] for i in np.unique(ids)[:n]]


def mean_z(workspace: Workspace, groups: list[np.ndarray]) -> np.ndarray:
    decoder = workspace.decoder()
    rows = []
    for group in groups:
        z = zscored(workspace, group, decoder.header.roi, decoder.sites, decoder.statistics)
        rows.append(np.nansum(z, axis=0) / np.maximum(np.isfinite(z).sum(axis=0), 1))
    return np.stack(rows)


def patch_of(workspace: Workspace, region: str, hemisphere: Hemisphere) -> Patch | None:
    """Return all vertices whose nearest voxel lies in a region."""
    operator = workspace.vertex_operator(hemisphere)
    ijk = np.floor(operator.centre_ijk + 0.5)
    inside = np.isfinite(ijk).all(1)
    mask = workspace.reader.mask(region, workspace.space)
    there = np.zeros(len(ijk), bool)
    there[inside] = mask[tuple(ijk[inside].astype(int).T)]
    vertices = tuple(np.flatnonzero(there).tolist())
    return Patch(f"drawn-{hemisphere.value}", hemisphere, vertices) if vertices else None


def seen_sites(workspace: Workspace) -> np.ndarray:
    flat = workspace.decoder().sites.flat
    return sum(workspace.vertex_operator(h).matrix.sum(0)[flat] for h in Hemisphere) > 0


@pytest.mark.parametrize("region", REGIONS)
def test_a_silenced_region_is_decoded_as_at_its_training_mean(mini: Subject, region: str) -> None:
    w = mini.workspace
    groups = groups_of(w)
    z = mean_z(w, groups)
    inside = w.inside(region, w.decoder().sites)
    assert 0 < inside.sum() < len(inside)
    z[:, inside] = 0
    found = decode_groups(w, groups, factors=factors_of(mini, (region, 0.0)))
    np.testing.assert_allclose(found, w.decoder().decode(z.astype(np.float32)), atol=1e-6)
    assert np.abs(found - decode_groups(w, groups)).max() > 1e-4


def test_a_factor_of_one_changes_no_bit(mini: Subject) -> None:
    w = mini.workspace
    assert factors_of(mini) is None
    assert factors_of(mini, ("FFA-1", 1.0), ("V1v", 1.0)) is None
    # One region undoes what another does.
    assert factors_of(mini, ("FFA-1", 2.0), ("FFA-1 & nsdgeneral", 0.5)) is None
    groups = groups_of(w)
    ones = np.ones(len(w.decoder().sites), np.float32)
    np.testing.assert_array_equal(decode_groups(w, groups, factors=ones), decode_groups(w, groups))


def test_the_change_of_a_linear_decoder_grows_with_the_factor(mini: Subject) -> None:
    w = mini.workspace
    decoder = w.decoder()
    z = mean_z(w, groups_of(w)).astype(np.float32)
    moved = {}
    for factor in (0.0, 0.5, 1.5, 2.0):
        factors = factors_of(mini, ("nsdgeneral & !V1v", factor))
        moved[factor] = decoder.displace(z * factors) - decoder.displace(z)
    assert np.abs(moved[2.0]).max() > 1e-3
    for factor in (0.0, 0.5, 1.5):
        np.testing.assert_allclose(moved[factor], (factor - 1) * moved[2.0], atol=2e-5)


def test_regions_multiply_in_any_order(mini: Subject) -> None:
    pairs = [("FFA-1", 0.3), ("FFA-1 | EBA", 1.7), ("nsdgeneral", 0.9)]
    first = factors_of(mini, *pairs)
    for order in ((1, 0, 2), (2, 1, 0), (1, 2, 0)):
        np.testing.assert_array_equal(factors_of(mini, *(pairs[k] for k in order)), first)
    inside = mini.workspace.inside("FFA-1", mini.workspace.decoder().sites)
    np.testing.assert_allclose(first[inside], 0.3 * 1.7 * 0.9, rtol=1e-6)
    silent = factors_of(mini, ("FFA-1", 0.0), ("FFA-1 | EBA", 2.0))
    assert not silent[inside].any()


@pytest.mark.parametrize("region", ["V1v", "EBA", "PPA"])
def test_a_patch_over_a_region_holds_the_voxels_that_the_cortex_sees(
    mini: Subject, region: str
) -> None:
    w = mini.workspace
    sites = w.decoder().sites
    patches = [p for h in Hemisphere if (p := patch_of(w, region, h))]
    drawn = np.any([patch_sites(w, p, sites) for p in patches], axis=0)
    wanted = w.inside(region, sites) & seen_sites(w)
    dice = 2 * (drawn & wanted).sum() / (drawn.sum() + wanted.sum())
    # The mesh of the smallest subject has hardly a vertex a voxel.
    assert dice > 0.75


def test_no_voxel_belongs_to_two_patches_and_all_vertices_hold_all_that_is_seen(
    mini: Subject,
) -> None:
    w = mini.workspace
    sites = w.decoder().sites
    total = np.zeros(len(sites), int)
    for hemisphere in Hemisphere:
        n = w.vertex_operator(hemisphere).matrix.shape[0]
        thirds = np.array_split(np.random.default_rng(0).permutation(n), 3)
        parts = [
            Patch(f"third-{k}", hemisphere, tuple(np.sort(v).tolist()))
            for k, v in enumerate(thirds)
        ]
        total += np.sum([patch_sites(w, p, sites) for p in parts], axis=0)
    assert total.max() == 1
    whole = [
        Patch("all", h, tuple(range(w.vertex_operator(h).matrix.shape[0]))) for h in Hemisphere
    ]
    held = np.any([patch_sites(w, p, sites) for p in whole], axis=0)
    np.testing.assert_array_equal(held & ~seen_sites(w), False)
    # Only where both hemispheres see a voxel alike does it belong to neither.
    assert held.sum() >= 0.99 * seen_sites(w).sum()


def test_patches_of_a_surface_space_are_its_vertices(mini: Subject) -> None:
    sites = Vertices(
        {Hemisphere.LEFT: 50, Hemisphere.RIGHT: 50},
        {Hemisphere.LEFT: np.array([3, 5, 9]), Hemisphere.RIGHT: np.array([5, 40])},
    )
    patch = Patch("drawn", Hemisphere.RIGHT, (4, 5, 6))
    found = patch_sites(mini.workspace, patch, sites)
    np.testing.assert_array_equal(found, [False, False, False, True, False])


def test_the_effect_says_what_the_decoder_says(mini: Subject) -> None:
    w = mini.workspace
    trials = groups_of(w)[2]
    state = scaled(mini, ("EBA | FFA-1", 0.0)).replace(
        concept="animal", trials=(int(trials[0]),), average_repeats=True
    )
    found = lesion_effect(w, state)
    factors = site_factors(w, state, w.decoder().sites)
    np.testing.assert_allclose(
        found.after, decode_groups(w, [trials], factors=factors)[0], atol=1e-6
    )
    np.testing.assert_allclose(found.before, decode_groups(w, [trials])[0], atol=1e-6)
    painted = reconstruction_of(w, state)
    np.testing.assert_allclose(found.after, painted.decoded, atol=1e-6)
    assert found.scores_after.cosine == pytest.approx(painted.cosine, abs=1e-5)
    assert found.scores_after.rank == painted.rank
    assert found.n_touched == (factors == 0).sum() == found.n_by_region[0][1]
    gained, lost = words_of_change(w, found.before, found.after, SilentProgress())
    assert gained
    assert lost
    # The way back names the same words the other way round.
    assert words_of_change(w, found.after, found.before, SilentProgress()) == (lost, gained)
    still = lesion_effect(w, state.replace(scaling=(("EBA", 1.0),)))
    np.testing.assert_array_equal(still.before, still.after)
    assert words_of_change(w, still.before, still.after, SilentProgress()) == ((), ())


def test_the_menu_offers_what_the_decoder_hears(mini: Subject) -> None:
    w = mini.workspace
    sites = w.decoder().sites
    patch = patch_of(w, "EBA", Hemisphere.LEFT)
    found = heard_regions(w, sites, (patch,))
    assert found[0].name == patch.name
    assert {"FFA-1", "V1v"} <= {r.title for r in found}
    for region in found:
        state = scaled(mini, (region.name, 0.0), patches=(patch,))
        assert (site_factors(w, state, sites) == 0).sum() == region.n_sites


def test_what_is_scaled_is_said(mini: Subject) -> None:
    assert scaling_words(mini.state) == lesion_sign(mini.state) == ""
    state = scaled(mini, ("FFA-1", 0.0), ("V1v", 1.0), ("hV4", 1.5))
    assert scaling_words(state) == "responses scaled: FFA-1 × 0, hV4 × 1.5"
    assert lesion_sign(state) == "virtual lesion and boost"
    assert lesion_sign(scaled(mini, ("FFA-1", 0.2))) == "virtual lesion"
    assert lesion_sign(scaled(mini, ("FFA-1", 2.0))) == "virtual boost"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"scaling": (("nowhere", 0.0),)}, "nowhere"),
        ({"scaling": (("V1v &", 0.5),)}, "V1v &"),
        ({"patches": (Patch("far", Hemisphere.LEFT, (10**6,)),)}, "1,000,000"),
    ],
)
def test_an_impossible_region_is_named_and_refused(mini: Subject, change: dict, said: str) -> None:
    session = Session(mini.state)
    with pytest.raises(NsdViewerError, match=said):
        session.update(**change)
    assert session.state == mini.state


def test_a_region_that_the_decoder_does_not_hear_is_refused(mini: Subject) -> None:
    with pytest.raises(RequestError, match="within 'nsdgeneral'"):
        factors_of(mini, ("brainmask & !nsdgeneral", 0.0))


def test_a_patch_goes_before_a_roi_of_its_name_and_cannot_leave_while_scaled(mini: Subject) -> None:
    w = mini.workspace
    patch = patch_of(w, "EBA", Hemisphere.LEFT)
    session = Session(mini.state)
    session.update(patches=(patch,), scaling=((patch.name, 0.0),))
    with pytest.raises(RequestError, match=patch.name):
        session.update(patches=())
    namesake = Patch("V1v", patch.hemisphere, patch.vertices)
    state = scaled(mini, ("V1v", 0.0), patches=(namesake,))
    factors = site_factors(w, state, w.decoder().sites)
    np.testing.assert_array_equal(factors == 0, patch_sites(w, patch, w.decoder().sites))


def test_one_drag_is_one_step_of_undo(mini: Subject) -> None:
    session = Session(mini.state)
    session.update(seed=4)
    for factor in (0.9, 0.6, 0.2):
        session.update(gesture="drag 1", scaling=(("FFA-1", factor),))
    for factor in (0.5, 1.5):
        session.update(gesture="drag 2", scaling=(("FFA-1", factor),))
    assert session.undo()
    assert session.state.scaling == (("FFA-1", 0.2),)
    assert session.undo()
    assert session.state.scaling == ()
    assert session.state.seed == 4
    assert session.redo()
    assert session.state.scaling == (("FFA-1", 0.2),)
    # After an undo, the same drag begins anew.
    session.update(gesture="drag 2", scaling=(("FFA-1", 0.7),))
    assert session.undo()
    assert session.state.scaling == (("FFA-1", 0.2),)


def test_a_drag_that_ends_where_it_began_leaves_nothing_to_undo(mini: Subject) -> None:
    session = Session(mini.state)
    for factor in (0.5, 1.4):
        session.update(gesture="drag", scaling=(("FFA-1", factor),))
    session.update(gesture="drag", scaling=())
    assert not session.undo()
    session.update(gesture="drag", scaling=(("FFA-1", 0.1),))
    assert session.undo()
    assert session.state == mini.state
