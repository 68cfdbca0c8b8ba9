"""Simulated subjects in NSD's own file layout, with a planted truth to test every analysis on.

What is real: the photographs, fsaverage's surfaces and the MNI152 brain. What is invented: the
responses, the design and the areas' exact borders. ``SIMULATED.json`` in the root says so.
"""

from nsdviewer.data.simulate.presets import PRESETS, SIMULATED_FLAG, Preset
from nsdviewer.data.simulate.stimuli import JointEmbedding
from nsdviewer.data.simulate.truth import PlantedTruth, load_truth, truth_folder
from nsdviewer.data.simulate.tuning import Kind
from nsdviewer.data.simulate.writer import simulate

__all__ = [
    "PRESETS",
    "SIMULATED_FLAG",
    "JointEmbedding",
    "Kind",
    "PlantedTruth",
    "Preset",
    "load_truth",
    "simulate",
    "truth_folder",
]
