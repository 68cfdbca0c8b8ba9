"""A seeded monkey that drives real windows: commands, clicks, keys, texts, sizes, files."""
