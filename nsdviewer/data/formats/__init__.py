"""Files as such: volumes, text tables, HDF5 indices; none knows what NSD keeps in them."""
