"""Whether OpenGL works here, asked in a child process, which may crash without harm."""

import multiprocessing
import os
import platform
from multiprocessing.connection import Connection

_TIMEOUT_S = 30.0
_LEAST_VERSION = (3, 2)


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
_GL_RENDERER = 0x1F01


def probe_opengl() -> str:
    """Say whether OpenGL 3.2 works in a Qt program.

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
    from PySide6.QtGui import QGuiApplication, QOffscreenSurface, QOpenGLContext, QSurfaceFormat

    wanted = QSurfaceFormat()
    wanted.setVersion(*_LEAST_VERSION)
    wanted.setProfile(QSurfaceFormat.OpenGLContextProfile.CoreProfile)
    QSurfaceFormat.setDefaultFormat(wanted)
    application = QGuiApplication(["probe"])
    gl = QOpenGLContext()
    surface = QOffscreenSurface()
    surface.create()
    if not gl.create() or not gl.makeCurrent(surface):
        answer.send("This display offers no OpenGL.")
    elif (gl.format().majorVersion(), gl.format().minorVersion()) < _LEAST_VERSION:
        version = f"{gl.format().majorVersion()}.{gl.format().minorVersion()}"
        answer.send(f"This display offers OpenGL {version}; the cortex needs 3.2.")
    else:
        renderer = str(gl.functions().glGetString(_GL_RENDERER)).lower()
        answer.send(SOFTWARE if any(n in renderer for n in _SOFTWARE_NAMES) else HARDWARE)
    gl.doneCurrent()
    del gl, surface, application
