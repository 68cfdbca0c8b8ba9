"""The manager of models, and downloads."""
