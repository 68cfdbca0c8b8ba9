"""Single-trial responses: files of every format, their cache, z-scores, reliability."""
