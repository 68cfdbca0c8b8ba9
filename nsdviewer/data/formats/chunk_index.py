"""Where in an HDF5 file the chunks of a dataset lie, found without reading the whole index.

NSD's betas have one chunk a voxel, 700,000 a session. Asking the HDF5 library for each chunk's
place takes seconds to minutes; its index is a B-tree (version 1, "B-tree node for raw data chunks"
of the HDF5 File Format Specification), of which only the branches that lead to the wanted chunks
have to be read. Files with another kind of index are left to the library.
"""

import struct
from dataclasses import dataclass
from typing import BinaryIO

import h5py
import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

# Entries of a full node: twice the library's default rank of 32, which no NSD file changes.
_MOST_ENTRIES = 64
_NODE_HEADER_BYTES = 24
_LAYOUT, _CONTINUATION = 0x08, 0x10
_NONE = 0xFFFFFFFFFFFFFFFF


class UnknownIndexError(Exception):
    """The file's chunk index is of a kind that is not read here."""


@dataclass(frozen=True)
class _Tree:
    """The index of one dataset.

    Attributes
    ----------
    root
        Offset of the root node in the file.
    base
        What the file adds to every address: the length of its user block.
    n_axes
        Axes of the dataset.
    """

    stream: BinaryIO
    root: int
    base: int
    n_axes: int

    @property
    def key_bytes(self) -> int:
        """Length of a key: chunk size, filter mask, and one offset an axis and for the item."""
        return 8 + 8 * (self.n_axes + 1)


def locate_columns(stream: BinaryIO, dataset: h5py.Dataset, columns: Ints) -> Ints:
    """Return where the chunks of some columns begin in the file, −1 for those not allocated.

    Parameters
    ----------
    stream
        The file, opened for unbuffered binary reading.
    dataset
        (n_trials, …) with uncompressed chunks (n_trials, 1, …, 1): a column is one chunk.
    columns
        (n,) ascending C-order indices over the axes after the first.

    Raises
    ------
    UnknownIndexError
        If the chunks are of another form, or the index is of another kind.
    """
    shape = dataset.shape
    if dataset.chunks != (shape[0], *(1,) * (len(shape) - 1)) or _is_filtered(dataset):
        raise UnknownIndexError("not one plain chunk a column")
    base = int(dataset.file.userblock_size)
    header = int(h5py.h5o.get_info(dataset.id).addr)
    root = _find_root(stream, base + header, base, len(shape))
    places = np.full(len(columns), -1, np.int64)
    if root is not None and len(columns):
        tree = _Tree(stream, root, base, len(shape))
        _descend(tree, shape, shape[0] * dataset.dtype.itemsize, columns, places)
    return places


def _is_filtered(dataset: h5py.Dataset) -> bool:
    return int(dataset.id.get_create_plist().get_nfilters()) > 0


def _read_at(stream: BinaryIO, offset: int, n_bytes: int) -> bytes:
    stream.seek(offset)
    found = stream.read(n_bytes)
    if len(found) < n_bytes:
        raise UnknownIndexError("the index reaches past the end of the file")
    return found


def _find_root(stream: BinaryIO, header: int, base: int, n_axes: int) -> int | None:
    """Return the root node's offset from the dataset's layout message; None if it has no chunk."""
    for kind, body in _messages(stream, header, base):
        if kind != _LAYOUT:
            continue
        version, layout_class, n_dimensions = body[0], body[1], body[2]
        if (version, layout_class, n_dimensions) != (3, 2, n_axes + 1):
            raise UnknownIndexError("not a version 3 chunked layout")
        address = int(struct.unpack_from("<Q", body, 3)[0])
        return None if address == _NONE else base + address
    raise UnknownIndexError("no layout message")


def _messages(stream: BinaryIO, header: int, base: int) -> list[tuple[int, bytes]]:
    """Return (type, body) of an object header's messages, of either version."""
    if _read_at(stream, header, 4) == b"OHDR":
        return _messages_v2(stream, header, base)
    version, _, _, _, length = struct.unpack("<BBHII", _read_at(stream, header, 12))
    if version != 1:
        raise UnknownIndexError("an object header of another version")
    blocks, found = [(header + 16, int(length))], []
    for start, n_bytes in blocks:
        raw, at = _read_at(stream, start, n_bytes), 0
        while at + 8 <= n_bytes:
            kind, size = struct.unpack_from("<HH", raw, at)
            body = raw[at + 8 : at + 8 + size]
            found.append((kind, body))
            if kind == _CONTINUATION:
                address, more = struct.unpack_from("<QQ", body)
                blocks.append((base + address, more))
            at += 8 + size
    return found


def _messages_v2(stream: BinaryIO, header: int, base: int) -> list[tuple[int, bytes]]:
    flags = _read_at(stream, header, 6)[5]
    at = header + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
    width = 1 << (flags & 3)
    length = int.from_bytes(_read_at(stream, at, width), "little")
    prefix = 6 if flags & 4 else 4
    blocks, found = [(at + width, length)], []
    for start, n_bytes in blocks:
        raw, position = _read_at(stream, start, n_bytes), 0
        while position + prefix <= n_bytes:
            kind, size = struct.unpack_from("<BH", raw, position)
            body = raw[position + prefix : position + prefix + size]
            found.append((kind, body))
            if kind == _CONTINUATION:
                address, more = struct.unpack_from("<QQ", body)
                # Between its signature and its checksum, a further block is like the first.
                blocks.append((base + address + 4, more - 8))
            position += prefix + size
    return found


def _descend(
    tree: _Tree, shape: tuple[int, ...], chunk_bytes: int, columns: Ints, places: Ints
) -> None:
    """Fill `places`, reading level by level only the nodes that may lead to wanted columns."""
    nodes = np.array([tree.root], np.int64)
    level = _read_at(tree.stream, tree.root, 6)[5]
    while True:
        firsts, children, sizes = _flatten(_read_nodes(tree, nodes, level), tree, shape)
        at = np.searchsorted(firsts, columns, side="right") - 1
        if level == 0:
            found = (at >= 0) & (firsts[at] == columns)
            if (sizes[at[found]] != chunk_bytes).any():
                raise UnknownIndexError("a chunk of another length")
            places[found] = children[at[found]] + tree.base
            return
        nodes = children[np.unique(at[at >= 0])] + tree.base
        if len(nodes) == 0:
            return
        level -= 1


def _read_nodes(tree: _Tree, nodes: Ints, level: int) -> list[NDArray[np.uint8]]:
    """Return each node's used entries as (n_entries, key + child) bytes."""
    stride = tree.key_bytes + 8
    n_bytes = _NODE_HEADER_BYTES + _MOST_ENTRIES * stride
    entries = []
    for node in nodes.tolist():
        tree.stream.seek(node)
        raw = tree.stream.read(n_bytes)
        if len(raw) < _NODE_HEADER_BYTES or raw[:5] != b"TREE\x01" or raw[5] != level:
            raise UnknownIndexError("no node where the index says one is")
        n_used = int.from_bytes(raw[6:8], "little")
        if not 0 < n_used <= _MOST_ENTRIES or len(raw) < _NODE_HEADER_BYTES + n_used * stride:
            raise UnknownIndexError("a node that is empty, longer than usual, or cut off")
        body = np.frombuffer(raw, np.uint8, n_used * stride, _NODE_HEADER_BYTES)
        entries.append(body.reshape(n_used, stride))
    return entries


def _flatten(
    entries: list[NDArray[np.uint8]], tree: _Tree, shape: tuple[int, ...]
) -> tuple[Ints, Ints, Ints]:
    """Return the first column, child address and chunk length of all entries, ascending."""
    table = np.concatenate(entries)
    offsets = np.ascontiguousarray(table[:, 8 : 8 + 8 * tree.n_axes]).view("<i8")
    columns = np.zeros(len(table), np.int64)
    for axis in range(1, tree.n_axes):
        columns = columns * shape[axis] + offsets[:, axis]
    children = np.ascontiguousarray(table[:, tree.key_bytes :]).view("<i8")[:, 0]
    sizes = np.ascontiguousarray(table[:, :4]).view("<u4")[:, 0].astype(np.int64)
    if (offsets[:, 0] != 0).any() or (np.diff(columns) < 0).any():
        raise UnknownIndexError("keys out of order")
    return columns, children, sizes
