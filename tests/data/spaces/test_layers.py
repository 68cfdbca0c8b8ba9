"""A layer knows its space, and no two layers of different spaces are ever combined."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from nsdviewer.data.spaces.layers import Layer, into_volume, require_same_space
from nsdviewer.data.spaces.places import Place
from nsdviewer.data.spaces.resampling import Interpolation
from nsdviewer.errors import DataError, SpaceError
from tests.data.spaces.transform_tree import N_NATIVE, TransformTree, build_tree


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> TransformTree:
    return build_tree(tmp_path_factory.mktemp("spaces"))


def layer(space: str, subject: int = 1, shape: tuple[int, ...] | None = None) -> Layer:
    place = Place.parse(space)
    rng = np.random.default_rng(0)
    values = rng.standard_normal(shape or ((4, 4, 4) if place.is_volume else (6,)))
    return Layer(values, place, subject, name=space)


def test_layers_of_different_spaces_are_never_combined() -> None:
    names = ("func1pt8", "func1pt0", "anat0pt8", "MNI", "lh.white", "rh.white", "lh.fsaverage")
    for one, other in product(names, names):
        if one == other:
            continue
        a, b = layer(one), layer(other)
        for combine in (require_same_space, Layer.__add__, Layer.__truediv__):
            with pytest.raises(SpaceError, match=rf"{a.space}.*{b.space}"):
                combine(a, b)


def test_layers_of_different_subjects_meet_in_shared_spaces_only() -> None:
    for space in ("func1pt8", "lh.nativesurface"):
        with pytest.raises(SpaceError, match=r"subject 1.*subject 2"):
            require_same_space(layer(space), layer(space, 2))
    for space in ("MNI", "rh.fsaverage"):
        require_same_space(layer(space), layer(space, 2))


def test_layers_of_different_sizes_are_not_combined() -> None:
    with pytest.raises(SpaceError, match=r"\(4, 4, 4\).*\(4, 4, 5\)"):
        require_same_space(layer("MNI"), layer("MNI", shape=(4, 4, 5)))


def test_vertices_are_the_same_at_all_depths() -> None:
    require_same_space(layer("lh.white"), layer("lh.layerB2"), layer("lh.nativesurface"))


def test_layers_of_one_space_add_up() -> None:
    a, b = layer("lh.white"), layer("lh.white")
    np.testing.assert_array_equal(((a + b) - b * 1.0).values, a.values)
    np.testing.assert_array_equal((a / 2).values, a.values / 2)
    for bare in (a.values, "x"):
        with pytest.raises(SpaceError, match="bare"):
            a + bare
    # NumPy, asked first, must not drop the space.
    with pytest.raises(TypeError):
        a.values + a


def test_a_layer_moves_and_knows_where_it_is(tree: TransformTree) -> None:
    native = Layer(tree.volume("func1pt8"), Place.parse("func1pt8"), 1, "R2", "percent")
    moved = native.to(tree.files, Place.parse("MNI"), Interpolation.LINEAR)
    assert (str(moved.space), moved.name, moved.unit) == ("MNI", "R2", "percent")
    require_same_space(moved, Layer(moved.values, Place.parse("MNI"), 7))
    with pytest.raises(SpaceError, match="subject 2"):
        Layer(native.values, native.space, 2).to(tree.files, Place.parse("MNI"))


def test_hemispheres_meet_in_one_volume(tree: TransformTree) -> None:
    target = Place.parse("anat1pt0")
    both = [Layer(np.full(N_NATIVE[h], 1 + (h == "rh")), Place.parse(f"{h}.nativesurface"), 1)
            for h in ("lh", "rh")]  # fmt: skip
    together = into_volume(tree.files, both, target)
    alone = [one.to(tree.files, target, Interpolation.LINEAR).values for one in both]
    reached = [np.isfinite(values) for values in alone]
    np.testing.assert_array_equal(np.isfinite(together.values), reached[0] | reached[1])
    np.testing.assert_allclose(together.values[reached[0] & ~reached[1]], 1)
    np.testing.assert_allclose(together.values[reached[1] & ~reached[0]], 2)
    mixed = together.values[reached[0] & reached[1]]
    assert ((mixed > 1) & (mixed < 2)).all()
    assert len(mixed)
    with pytest.raises(SpaceError, match="func1pt8"):
        into_volume(tree.files, both, Place.parse("func1pt8"))


def test_axes_have_to_fit_the_space(tmp_path: Path) -> None:
    for values, space in ((np.ones(5), "MNI"), (np.ones((2, 2, 2)), "lh.white")):
        with pytest.raises(DataError, match="axes"):
            Layer(values, Place.parse(space), 1)
