"""What this machine can do, and what went wrong on it: for window, command line and bug reports.

Nothing heavy is loaded on import, and nothing in a report identifies a person.
"""
