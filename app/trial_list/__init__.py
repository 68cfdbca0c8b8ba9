"""The list of trials: what it shows, how it looks, and what it is filtered by."""
