"""Commands that draw: the demo, maps, figures, and the diagnostic report."""

import argparse
import json
import sys
from pathlib import Path

import nibabel as nib
import numpy as np

from nsdviewer.cli.data_commands import sidecar_of
from nsdviewer.cli.workspace import open_workspace
from nsdviewer.data.formats.volumes import read_affine, write_volume
from nsdviewer.errors import RequestError
from nsdviewer.files import atomic_path, write_json
from nsdviewer.jobs import StreamProgress
from nsdviewer.mapping.maps import UNIT, ConceptMap
from nsdviewer.rendering.figure import export_figure
from nsdviewer.session.concepts import concept_map, direction_of, to_vertices
from nsdviewer.session.demo import make_demo, simulate_subjects
from nsdviewer.session.scenes import scene_of
from nsdviewer.session.session import open_workspace as open_state
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import Reading, ViewState

_FIGURES = (".png", ".svg", ".pdf")


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
    """Draw a saved view again."""
    state = ViewState.load(arguments.state)
    export_figure(scene_of(open_state(state), state), arguments.out)
    print(arguments.out)
    return 0


def run_map(arguments: argparse.Namespace) -> int:
    """Write a concept map, by the output's suffix, and beside it how it was made."""
    if arguments.stat != "none":
        raise RequestError(
            f"The statistic '{arguments.stat}' is not yet available; leave out --stat."
        )
    workspace = open_workspace(arguments)
    encoder = str(arguments.encoder or "")
    reading = Reading(arguments.reading)
    shown = concept_map(workspace, arguments.concept, arguments.noise_ceiling, reading, encoder)
    written = _write_map(workspace, shown, arguments)
    write_json(sidecar_of(arguments.out), _describe(workspace, shown, arguments, encoder))
    for path in written:
        print(path)
    return 0


def _write_map(
    workspace: Workspace, shown: ConceptMap, arguments: argparse.Namespace
) -> list[Path]:
    out: Path = arguments.out
    name = out.name.lower()
    if name.endswith((".nii.gz", ".nii")):
        affine = read_affine(workspace.files.volume(workspace.space, "brainmask"))
        write_volume(out, shown.volume(), affine)
        return [out]
    if name.endswith(".gii"):
        return _write_gifti(workspace, shown, out)
    if name.endswith(".npz"):
        direction = direction_of(workspace, arguments.concept)
        with atomic_path(out) as path, path.open("wb") as stream:
            np.savez(
                stream, values=shown.values, shown=shown.shown, ijk=shown.ijk, direction=direction
            )
        return [out]
    if name.endswith(_FIGURES):
        state = ViewState(
            root=str(workspace.root.path),
            subject=arguments.subject,
            space=workspace.space,
            version=workspace.version,
            concept=arguments.concept,
            reading=shown.reading,
            noise_ceiling_floor_pct=arguments.noise_ceiling,
            embedding=arguments.embedding,
            encoder=str(arguments.encoder or ""),
        )
        export_figure(scene_of(workspace, state), out)
        return [out]
    raise RequestError(
        f"A map is written as .nii.gz, .gii, .npz, .png, .svg or .pdf; {out.name} is none of these."
    )


def _write_gifti(workspace: Workspace, shown: ConceptMap, out: Path) -> list[Path]:
    """Write one GIFTI per hemisphere: ``lh.`` and ``rh.`` before the name."""
    written = []
    for hemisphere, values in to_vertices(workspace, shown).items():
        path = out.with_name(f"{hemisphere.value}.{out.name}")
        array = nib.gifti.GiftiDataArray(
            values, intent="NIFTI_INTENT_ESTIMATE", datatype="NIFTI_TYPE_FLOAT32"
        )
        with atomic_path(path) as temporary:
            nib.save(nib.gifti.GiftiImage(darrays=[array]), temporary)
        written.append(path)
    return written


def _describe(
    workspace: Workspace, shown: ConceptMap, arguments: argparse.Namespace, encoder: str
) -> dict[str, object]:
    """Return everything needed to make the map again."""
    header = workspace.encoder(encoder).header
    return {
        "command": ["nsdviewer", *sys.argv[1:]],
        "concept": arguments.concept,
        "reading": shown.reading.value,
        "statistic": arguments.stat,
        "unit": UNIT,
        "noise_ceiling_floor_pct": arguments.noise_ceiling,
        "n_voxels": len(shown.values),
        "n_voxels_shown": int(shown.shown.sum()),
        "space": workspace.space.value,
        "encoder": header.to_dict(),
        "encoder_file": encoder or str(workspace.model_path("encoder")),
        "simulated": workspace.root.is_simulated,
    }


def run_doctor(arguments: argparse.Namespace) -> int:
    """Print what a bug report needs."""
    from nsdviewer.cli.doctor import diagnose

    report = diagnose()
    if arguments.json:
        print(json.dumps(report, indent=2))
        return 0
    for section, entries in report.items():
        print(f"{section}")
        for key, value in entries.items():
            print(f"  {key:24} {value}")
    return 0
