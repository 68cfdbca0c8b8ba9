"""Whether OpenGL draws here, asked in a child process, which may crash without harm."""

import multiprocessing
import os
import platform
import re
import tempfile
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from nsdviewer.diagnosis.surroundings import remote_session

HARDWARE, SOFTWARE = "hardware", "software"
NO_ANSWER = "OpenGL did not answer"
# A busy machine loads the drawing library for half a minute.
_TIMEOUT_S = 90.0
_SOFTWARE_NAMES = ("llvmpipe", "softpipe", "swrast", "swiftshader", "software", "basic render")
_FACTS = re.compile(r"OpenGL (vendor|renderer|version) string:\s*(.+)")
_ADVICE = {
    "SSH": "over SSH it often is not forwarded: start nsdviewer at the machine, or with VirtualGL",
    "VNC": "in VNC start it with 'vglrun', or with LIBGL_ALWAYS_SOFTWARE=1",
    "RDP": "in a remote desktop update the graphics driver, or use LIBGL_ALWAYS_SOFTWARE=1",
}


@dataclass(frozen=True)
class OpenGL:
    """What a trial found.

    Attributes
    ----------
    answer
        `HARDWARE`, `SOFTWARE`, or a sentence that says why nothing can be drawn.
    renderer, vendor, version
        As the driver says them; "" where it said nothing.
    details
        Last lines of what the driver wrote while it failed.
    """

    answer: str
    renderer: str = ""
    vendor: str = ""
    version: str = ""
    details: str = ""

    @property
    def works(self) -> bool:
        """Whether the cortex can be drawn."""
        return self.answer in (HARDWARE, SOFTWARE)


def machine_key() -> str:
    """Return what the answer depends on, so that it is asked again when that changes."""
    names = ("QT_QPA_PLATFORM", "WAYLAND_DISPLAY", "LIBGL_ALWAYS_SOFTWARE", "LIBGL_DRIVERS_PATH",
             "__EGL_VENDOR_LIBRARY_FILENAMES", "VTK_DEFAULT_OPENGL_WINDOW")  # fmt: skip
    values = (os.environ.get(name, "") for name in names)
    # The machine is told by its name, which stays in the person's own settings.
    return "|".join((platform.node(), platform.machine(), *values, remote_session()))


def examine_opengl(timeout_s: float = _TIMEOUT_S) -> OpenGL:
    """Draw a small picture in a child process, as the window would; never raises."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        log = Path(folder) / "stderr.txt"
        child = context.Process(target=_try, args=(theirs, str(log)), daemon=True)
        try:
            child.start()
        except OSError as error:
            return OpenGL(_why_not(f"A trial of OpenGL could not be started ({error.strerror})"))
        theirs.close()
        try:
            if not ours.poll(timeout_s):
                return OpenGL(_why_not(f"{NO_ANSWER} within {timeout_s:.0f} s"))
            found = OpenGL(**ours.recv())
        except (EOFError, OSError):
            child.join(timeout=5)
            said = _last_lines(log)
            reason = f"OpenGL crashed in a trial (exit status {child.exitcode})"
            return OpenGL(_why_not(reason), details=said)
        finally:
            if child.is_alive():
                child.terminate()
            child.join(timeout=5)
        return found if found.works else OpenGL(_why_not(found.answer), details=_last_lines(log))


def _why_not(reason: str) -> str:
    """Return a reason with what helps where the person sits."""
    where = next((w for name, w in _ADVICE.items() if name in remote_session()), "")
    if not where and os.environ.get("WAYLAND_DISPLAY"):
        where = "on Wayland try QT_QPA_PLATFORM=xcb"
    if not where:
        where = "update the graphics driver, or use LIBGL_ALWAYS_SOFTWARE=1"
    if os.environ.get("LIBGL_ALWAYS_SOFTWARE"):
        # It is set already, and did not help.
        where = "install Mesa's software renderer, or update the graphics driver"
    return f"{reason.rstrip('.')}; {where}."


def _last_lines(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(line for line in lines if line.strip())[-2000:]


def _try(answer: Connection, log: str) -> None:
    """Run in the child: draw, and say what was drawn with."""
    with open(log, "wb") as stream:  # noqa: PTH123 (a bare descriptor is wanted)
        os.dup2(stream.fileno(), 2)
    from nsdviewer.rendering.loading import load_before_opengl

    load_before_opengl()
    import pyvista as pv

    # The same way as the window draws: beside the screen.
    with pv.vtk_verbosity("off"):
        plotter = pv.Plotter(off_screen=True, window_size=[64, 64])
        plotter.add_mesh(pv.Sphere(), color="white")
        picture = plotter.screenshot(return_img=True)
        said = str(plotter.render_window.ReportCapabilities())
    facts = {name: value.strip() for name, value in _FACTS.findall(said)}
    if picture is None or picture.min() == picture.max():
        answer.send({"answer": "OpenGL starts here but draws nothing", **facts})
    else:
        renderer = facts.get("renderer", said).lower()
        is_software = any(name in renderer for name in _SOFTWARE_NAMES)
        answer.send({"answer": SOFTWARE if is_software else HARDWARE, **facts})
    plotter.close()
