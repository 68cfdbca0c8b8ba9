"""Seen and reconstructed, and what stands beside them."""
