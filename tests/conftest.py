"""Fixtures shared by all tests."""

from pathlib import Path

import pytest

from nsdviewer.data.simulate import simulate
from nsdviewer.jobs import SilentProgress
from nsdviewer.models.embeddings import load_embedding


@pytest.fixture(scope="session")
def mini_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated subject of the smallest size."""
    root = tmp_path_factory.mktemp("simulated") / "mini"
    return simulate(root, "mini", 1, 7, load_embedding("conse"), SilentProgress())
