"""The floor under simulated subjects' figures: what `make bench` prints may not fall below it."""

import numpy as np
import pytest

from tests.figures import demo_figures

# Simulating and fitting the demo subject takes a minute on an idle machine, many on a busy one.
_LONG = (pytest.mark.slow, pytest.mark.timeout(1800))


@pytest.mark.parametrize(
    ("subject", "reconstruction", "map_r"),
    [("mini", 0.8, 0.9), pytest.param("demo", 0.65, 0.8, marks=_LONG)],
)
def test_a_subject_keeps_its_figures(
    request: pytest.FixtureRequest, subject: str, reconstruction: float, map_r: float
) -> None:
    figures = demo_figures(request.getfixturevalue(subject).workspace)
    assert figures["embedding_two_way"] >= 0.95
    assert figures["reconstruction_two_way"] >= reconstruction
    assert abs(figures["shuffled_two_way"] - 0.5) <= 0.1
    assert figures["animal_map_r"] >= map_r
    assert np.isfinite(list(figures.values())).all()
