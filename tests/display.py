"""A virtual screen for one process of the tests."""

import os
import shutil
import subprocess
from collections.abc import Callable

SCREEN = "2560x1440x24"


def own_display() -> Callable[[], None]:
    """Start a virtual screen, have this process draw on it, and return what ends it.

    Where there is no Xvfb the screen stays as it is.
    """
    server = shutil.which("Xvfb")
    if server is None:
        return lambda: None
    reading, writing = os.pipe()
    # With its tests' process the screen goes too, however that one ends.
    with_parent = [w] if (w := shutil.which("setpriv")) else []
    command = [
        *(word for w in with_parent for word in (w, "--pdeathsig", "TERM", "--")),
        server, "-displayfd", str(writing), "-screen", "0", SCREEN, "-nolisten", "tcp",
    ]  # fmt: skip
    process = subprocess.Popen(command, pass_fds=(writing,), stderr=subprocess.DEVNULL)
    os.close(writing)
    with os.fdopen(reading) as answer:
        number = answer.readline().strip()
    if not number:
        raise RuntimeError(f"{server} has opened no screen; see: {' '.join(command)}")
    os.environ["DISPLAY"] = f":{number}"
    # The cookie belongs to another screen.
    os.environ.pop("XAUTHORITY", None)

    def end() -> None:
        process.terminate()
        process.wait(10)

    return end
