"""Commands that draw: the demo, figures, and the diagnostic report."""

import argparse

from nsdviewer.cli.state_options import state_from
from nsdviewer.errors import RequestError
from nsdviewer.jobs import StreamProgress
from nsdviewer.rendering.figure import export_figure
from nsdviewer.rendering.view_kinds import ExportedView, ExportRequest, format_for
from nsdviewer.session.demo import make_demo, simulate_subjects
from nsdviewer.session.scenes import scene_of
from nsdviewer.session.session import open_workspace as open_state
from nsdviewer.session.view_export import export_view


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


def run_figure(arguments: argparse.Namespace) -> int:
    """Write a view of a saved state, drawn or as numbers, by the output's suffix."""
    state = state_from(arguments)
    request = ExportRequest(
        ExportedView(arguments.view), arguments.out, arguments.scale, arguments.layer
    )
    # Nothing is loaded for a file that cannot be.
    format_for(request.view, request.path)
    for path in export_view(open_state(state), state, request, StreamProgress()):
        print(path)
    return 0
