"""The floor under simulated subjects' figures: what `make bench` prints may not fall below it."""

import numpy as np
import pytest

from tests.conftest import Subject
from tests.figures import demo_figures


def test_the_smallest_subject_keeps_its_figures(mini: Subject) -> None:
    figures = demo_figures(mini.workspace)
    assert figures["embedding_two_way"] >= 0.95
    assert figures["reconstruction_two_way"] >= 0.8
    assert abs(figures["shuffled_two_way"] - 0.5) <= 0.1
    assert figures["animal_map_r"] >= 0.9
    assert np.isfinite(list(figures.values())).all()


# Simulating and fitting the demo subject takes a minute on an idle machine, many on a busy one.
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_demo_subject_keeps_its_figures(demo: Subject) -> None:
    figures = demo_figures(demo.workspace)
    assert figures["embedding_two_way"] >= 0.95
    assert figures["reconstruction_two_way"] >= 0.65
    assert abs(figures["shuffled_two_way"] - 0.5) <= 0.1
    assert figures["animal_map_r"] >= 0.8
    assert np.isfinite(list(figures.values())).all()
