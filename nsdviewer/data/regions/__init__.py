"""Regions and scalar maps on voxels and vertices, and masks by expression."""
