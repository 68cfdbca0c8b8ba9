"""Thresholds: what their texts mean."""

import re

import numpy as np
import pytest

from nsdviewer.errors import RequestError
from nsdviewer.mapping.statistics.thresholds import FORMS, Control, Threshold, excludes_zero


@pytest.mark.parametrize("text", ["none", "fdr:0.05", "fwe:0.05", "p:0.001", "ci:0.9"])
def test_texts_come_back(text):
    assert str(Threshold.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "fdr", "fdr:", "bonferroni:0.05", "none:0.1", "p:1", "p:0", "p:nan", "fwe:-1"]
)
def test_a_bad_text_lists_the_forms(text):
    with pytest.raises(RequestError, match=re.escape(FORMS)):
        Threshold.parse(text)


def test_too_few_draws_are_refused_with_the_smallest_p():
    with pytest.raises(RequestError, match=r"smallest p is 0.01, .* ask for 999"):
        Threshold.parse("p:0.001").require_draws(99)
    Threshold.parse("p:0.001").require_draws(999)
    Threshold.parse("fdr:0.001").require_draws(99)
    with pytest.raises(RequestError, match="0 permutations"):
        Threshold.parse("none").require_draws(0)


def test_each_threshold_looks_at_its_own_figure():
    p, p_max, q = np.array([0.01, np.nan]), np.array([0.9, np.nan]), np.array([0.04, np.nan])
    shown = {
        t: list(Threshold.parse(t).passes(p, p_max, q)) for t in ("p:0.02", "fwe:0.5", "fdr:0.05")
    }
    assert shown == {"p:0.02": [True, False], "fwe:0.5": [False, False], "fdr:0.05": [True, False]}
    assert Threshold(Control.NONE).passes(p, p_max, q).all()
    with pytest.raises(RequestError, match="bootstrap"):
        Threshold.parse("ci:0.9").passes(p, p_max, q)


def test_an_interval_shows_a_site_when_it_leaves_zero_out():
    lower, upper = np.array([0.1, -1, -2, np.nan]), np.array([1, 1, -1, np.nan])
    assert list(excludes_zero(lower, upper)) == [True, False, True, False]
