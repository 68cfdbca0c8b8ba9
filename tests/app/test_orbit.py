"""Laws of the camera under the mouse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cortex.orbit import enlarged, shifted, turned

START = (1.0, -398.0, -297.0, 1.0, 2.0, 3.0, 0.0, -0.6, 0.8, 120.0)
shares = st.floats(-1, 1)


def parts(camera):
    values = np.array(camera)
    return values[:3], values[3:6], values[6:9], values[9]


@given(shares, shares)
def test_turning_keeps_distance_and_stays_upright(right, down):
    camera = turned(START, right, down)
    position, focal, up, scale = parts(camera)
    first = parts(START)
    np.testing.assert_allclose(focal, first[1])
    assert scale == first[3]
    assert np.linalg.norm(position - focal) == pytest.approx(np.linalg.norm(first[0] - first[1]))
    assert up @ (position - focal) == pytest.approx(0, abs=1e-6)
    assert np.linalg.norm(up) == pytest.approx(1)


@given(shares)
def test_a_drag_back_comes_back(share):
    upright = turned(START, 0, 0)
    for right, down in ((share, 0.0), (0.0, share)):
        there = turned(upright, right, down)
        np.testing.assert_allclose(turned(there, -right, -down), upright, atol=1e-6)


def test_a_drag_over_the_height_goes_half_around():
    position, focal, up, _ = parts(turned(START, 0, 0))
    behind, same, _, _ = parts(turned(START, 1, 0))
    across = np.cross(focal - position, up)
    np.testing.assert_allclose((behind - same) @ across, 0, atol=1e-6)
    np.testing.assert_allclose(
        (behind - same) @ (position - focal), -((position - focal) ** 2).sum()
    )


def test_what_is_grabbed_follows_the_pointer():
    """A point in front goes to the right and down with a drag to the right and down."""
    camera = turned(START, 0, 0)
    position, focal, up, scale = parts(camera)
    forward = (focal - position) / np.linalg.norm(focal - position)
    across = np.cross(forward, up)
    near = focal - 50 * forward

    def place(seen_from, point):
        p, f, u, s = parts(seen_from)
        look = (f - p) / np.linalg.norm(f - p)
        offset = point - f
        return np.array([offset @ np.cross(look, u), -(offset @ u)]) / (2 * s)

    for change in (turned, shifted):
        moved = place(change(camera, 0.1, 0.05), near) - place(camera, near)
        assert moved[0] > 0 and moved[1] > 0
    np.testing.assert_allclose(
        place(shifted(camera, 0.1, 0.05), near) - place(camera, near), [0.1, 0.05], atol=1e-9
    )
    assert across @ up == pytest.approx(0, abs=1e-9) and scale == 120


@given(st.floats(0.2, 5))
def test_enlarging_and_back(factor):
    assert enlarged(START, factor)[9] == pytest.approx(120 / factor)
    assert enlarged(enlarged(START, factor), 1 / factor)[9] == pytest.approx(120)
    assert enlarged(START, 1e9)[9] > 0
