"""Scaled regions, what they change, and the way back through the encoder."""
