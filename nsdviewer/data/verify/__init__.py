"""The parts of `nsdviewer verify`, which `verification` calls one after the other."""
