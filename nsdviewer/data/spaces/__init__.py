"""Where data lie, and what moves them: transform files, resampling, layers."""
