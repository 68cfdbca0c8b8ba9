"""The parts of `nsdviewer verify`; `nsdviewer.data.verification` calls them one after the other."""
