"""Decoders, fMRI → joint embedding, behind one protocol and in one registry."""
