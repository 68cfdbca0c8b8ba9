"""The order of the house: arrows between packages, pinned versions, no traces, attribution."""

import csv
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PHOTOGRAPHS = ROOT / "resources" / "photographs"

PIN = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[0-9][A-Za-z0-9.]*)")

# Pieced together, so that this file does not contain what it looks for.
PERSONAL_FOLDERS = ("ho" + "me", "Us" + "ers", "ro" + "ot", "wo" + "rk", "fa" + "rm")
REGISTRY_HOSTS = (
    "py" + "pi.org",
    "python" + "hosted.org",
    "registry." + "npmjs.org",
    "deb." + "debian.org",
    "archive." + "ubuntu.com",
    "conda." + "anaconda.org",
    "download." + "pytorch.org",
)
# A path starts a word: the same letters after a host or another folder are part of an address.
ABSOLUTE_PATH = re.compile(rf"(?<![\w.~/%-])/(?:{'|'.join(PERSONAL_FOLDERS)})/\w")


def repository_files() -> list[Path]:
    """Tracked files, and new ones that git does not ignore."""
    git = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(git, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git checkout")
    names = {os.fsdecode(name) for name in listed.split(b"\0") if name}
    return sorted(path for name in names if (path := ROOT / name).is_file())


def pinned_versions() -> dict[str, Version]:
    """The versions in constraints.txt by canonical name."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [PIN.fullmatch(line) for line in lines]
    return {canonicalize_name(p["name"]): Version(p["version"]) for p in pins if p}


def declared_requirements() -> list[Requirement]:
    """The dependencies of pyproject.toml, with all its extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project.get("optional-dependencies", {}).values()
    texts = [*project["dependencies"], *(text for extra in extras for text in extra)]
    return [Requirement(text) for text in texts]


def test_arrows_point_down() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    if not command.exists():
        pytest.fail(f"{command.name} is not installed beside {sys.executable}; run: make setup")
    result = subprocess.run(
        [str(command), "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_constraints_hold_names_and_versions_only() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not PIN.fullmatch(line)] == []
    names = [canonicalize_name(line.partition("==")[0]) for line in lines]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("requirement", declared_requirements(), ids=lambda r: r.name)
def test_every_dependency_is_pinned_within_its_range(requirement: Requirement) -> None:
    pins = pinned_versions()
    name = canonicalize_name(requirement.name)
    assert name in pins, f"constraints.txt pins no {requirement.name}"
    assert pins[name] in requirement.specifier


def test_no_file_names_a_machine_or_a_registry() -> None:
    found = []
    for path in repository_files():
        content = path.read_bytes()
        if b"\0" in content:
            continue
        for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
            if ABSOLUTE_PATH.search(line) or any(host in line for host in REGISTRY_HOSTS):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("folder", PERSONAL_FOLDERS)
def test_a_path_of_a_machine_is_recognised(folder: str) -> None:
    assert ABSOLUTE_PATH.search(f'open("/{folder}/someone/data.h5")')
    assert not ABSOLUTE_PATH.search(f"https://example.org/{folder}/page")


def test_every_photograph_has_an_author_and_a_licence() -> None:
    with (PHOTOGRAPHS / "photos.csv").open(newline="", encoding="utf-8") as stream:
        rows = {row["file"]: row for row in csv.DictReader(stream)}
    suffixes = {".jpg", ".jpeg", ".png"}
    shipped = {path.name for path in PHOTOGRAPHS.iterdir() if path.suffix.lower() in suffixes}
    assert shipped
    assert shipped == set(rows)
    for name, row in rows.items():
        for column in ("author", "licence", "source"):
            assert row[column].strip(), f"{name} has no {column} in photos.csv"


def test_the_window_loads_no_heavy_library_before_it_shows() -> None:
    # What a person waits for at the start is the window's own code and Qt; the rest comes behind it.
    heavy = ("torch", "sklearn", "scipy", "matplotlib", "pyvista", "pandas", "nibabel", "h5py")
    program = f"import sys, app.window; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"
