"""Commands that draw: the demo, figures, and the diagnostic report."""

import argparse

from nsdviewer.errors import RequestError
from nsdviewer.jobs import StreamProgress
from nsdviewer.rendering.figure import export_figure
from nsdviewer.session.demo import make_demo, simulate_subjects
from nsdviewer.session.scenes import scene_of
from nsdviewer.session.session import open_workspace as open_state


def run_demo(arguments: argparse.Namespace) -> int:
    """Make the demo subject and write its first picture and the state that draws it again."""
    if arguments.headless is None:
        raise RequestError(
            "The window opens with 'nsdviewer demo' alone; with --root also name --headless OUT.png."
        )
    state = make_demo(StreamProgress(), arguments.root)
    export_figure(scene_of(open_state(state), state), arguments.headless)
    sidecar = arguments.headless.with_suffix(".json")
    state.save(sidecar)
    print(arguments.headless)
    print(sidecar)
    return 0


def run_simulate(arguments: argparse.Namespace) -> int:
    """Write simulated subjects."""
    if not 1 <= arguments.subjects <= 8:
        raise RequestError(f"NSD has 1 to 8 subjects, not {arguments.subjects}.")
    simulate_subjects(
        arguments.out,
        arguments.preset,
        arguments.subjects,
        arguments.seed,
        StreamProgress(),
        arguments.sessions,
    )
    print(arguments.out)
    return 0
