"""Opening HDF5 files, also where the file system knows no locks."""

from pathlib import Path

import h5py


def open_hdf5(path: Path) -> h5py.File:
    """Open an HDF5 file for reading; raises `OSError` as h5py does.

    Many network disks refuse the lock that the library asks for, and a file that another program
    holds open otherwise is refused too. Neither makes the file unreadable.
    """
    try:
        return h5py.File(path, "r")
    except OSError as error:
        if "lock" not in str(error):
            raise
        return h5py.File(path, "r", locking=False)
