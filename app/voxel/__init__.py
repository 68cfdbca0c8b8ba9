"""Plots of the voxel card."""
