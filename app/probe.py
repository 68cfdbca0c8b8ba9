"""Whether OpenGL draws here, asked in a child process, which may crash without harm."""

import multiprocessing
import os
import platform
from multiprocessing.connection import Connection

_TIMEOUT_S = 30.0


def machine_key() -> str:
    """Return what the answer depends on, so that it is asked again when that changes."""
    parts = (
        platform.node(),
        platform.machine(),
        os.environ.get("QT_QPA_PLATFORM", ""),
        os.environ.get("WAYLAND_DISPLAY", ""),
        os.environ.get("LIBGL_ALWAYS_SOFTWARE", ""),
    )
    return "|".join(parts)


HARDWARE, SOFTWARE = "hardware", "software"
_SOFTWARE_NAMES = ("llvmpipe", "softpipe", "swrast", "swiftshader", "software", "basic render")


def probe_opengl() -> str:
    """Say whether pictures can be drawn with OpenGL.

    Returns
    -------
    `HARDWARE`, `SOFTWARE`, or a sentence that says why it does not.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_try, args=(theirs,), daemon=True)
    child.start()
    theirs.close()
    try:
        if not ours.poll(_TIMEOUT_S):
            return f"OpenGL did not answer within {_TIMEOUT_S:.0f} s."
        return str(ours.recv())
    except EOFError:
        child.join(timeout=5)
        return f"OpenGL crashed in a trial (exit status {child.exitcode})."
    finally:
        if child.is_alive():
            child.terminate()


def _try(answer: Connection) -> None:
    from nsdviewer.rendering.loading import load_before_opengl

    load_before_opengl()
    import pyvista as pv

    # The same way as the window draws: beside the screen.
    with pv.vtk_verbosity("off"):
        plotter = pv.Plotter(off_screen=True, window_size=[64, 64])
        plotter.add_mesh(pv.Sphere(), color="white")
        picture = plotter.screenshot(return_img=True)
        renderer = str(plotter.render_window.ReportCapabilities()).lower()
    if picture is None or picture.min() == picture.max():
        answer.send("OpenGL starts here but draws nothing.")
    else:
        answer.send(SOFTWARE if any(n in renderer for n in _SOFTWARE_NAMES) else HARDWARE)
    plotter.close()
