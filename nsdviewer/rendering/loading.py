"""What must be loaded before OpenGL starts in a process."""

import contextlib
import importlib


def load_before_opengl() -> None:
    """Load what crashes when it is loaded after OpenGL.

    Mesa's software OpenGL and Triton, which open_clip's libraries load, each bring an LLVM; with Mesa's
    first, loading Triton ends in a segmentation fault (Triton 3, Mesa 22 to 25).
    """
    # The extension itself: while another thread imports the package, the package alone may come
    # back half loaded.
    with contextlib.suppress(ImportError):
        importlib.import_module("triton._C.libtriton")
