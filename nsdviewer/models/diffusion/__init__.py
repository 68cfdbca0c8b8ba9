"""Generators that denoise: our flow-matching decoder, its prior, and pipelines of diffusers."""
