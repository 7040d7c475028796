"""Arithmetic on pairs of canonical keys: whether a relationship between the two can be true at all.

Each function takes two columns of one length (the keys at the start and at the end of relationships) and returns a
boolean for each row. Whole columns are compared at once, because a large segment has millions of rows.
"""

from __future__ import annotations

import ipaddress
import socket
from functools import lru_cache
from struct import unpack

import pyarrow as pa
import pyarrow.compute as pc

_V4_BITS = 32
_REMEMBERED = 65_536  # networks and IPv6 addresses


def beneath(domains: pa.Array, names: pa.Array) -> pa.Array:
    """Return where a name lies beneath its domain: www.example.com beneath example.com."""
    dotted = pc.binary_join_element_wise(b"", domains.cast(pa.binary()), b".")
    return pc.equal(_endings(names.cast(pa.binary()), pc.binary_length(dotted)), dotted)


def _endings(values: pa.Array, lengths: pa.Array) -> pa.Array:
    """Return the last bytes of each value (binary[n]), as many as `lengths` says; the whole value if it is shorter.

    Each value is cut in two by one more offset, in place: no byte is copied but those of the endings.
    """
    count = len(values)
    offsets = pa.Array.from_buffers(pa.int32(), count + 1, [None, values.buffers()[1]], offset=values.offset)
    cuts = pc.subtract(offsets[1:], pc.min_element_wise(lengths, pc.binary_length(values)))
    places = pa.arange(0, 2 * count + 1)
    in_turn = pc.add(pc.shift_right(places, 1), pc.multiply(pc.bit_wise_and(places, 1), count + 1))
    both = pa.concat_arrays([offsets, cuts]).take(in_turn)
    halves = pa.Array.from_buffers(pa.binary(), 2 * count, [None, both.buffers()[1], values.buffers()[2]])
    return halves.take(pa.arange(1, 2 * count + 1, 2))


def different(starts: pa.Array, ends: pa.Array) -> pa.Array:
    """Return where the two keys differ."""
    return pc.not_equal(starts, ends)


def different_lengths(starts: pa.Array, ends: pa.Array) -> pa.Array:
    """Return where two digests are of different algorithms, which their lengths tell."""
    return pc.not_equal(pc.binary_length(starts), pc.binary_length(ends))


def contained(addresses: pa.Array, networks: pa.Array) -> pa.Array:
    """Return where an address lies in its network."""
    is_v4 = pc.invert(pc.match_substring(addresses, ":"))
    if pc.all(is_v4).as_py():
        return _v4_contained(addresses, networks)
    others = pc.invert(is_v4)
    pairs = zip(addresses.filter(others).to_pylist(), networks.filter(others).to_pylist(), strict=True)
    found = pa.array([_address(address) in _block(network) for address, network in pairs], pa.bool_())
    mine = _v4_contained(addresses.filter(is_v4), networks.filter(is_v4))
    return pc.replace_with_mask(pc.replace_with_mask(is_v4, is_v4, mine), others, found)


def _v4_contained(addresses: pa.Array, networks: pa.Array) -> pa.Array:
    """Return where an IPv4 address lies in its network; never in one of IPv6."""
    blocks = networks.dictionary_encode()
    bounds = [_v4_bounds(network) for network in blocks.dictionary.to_pylist()]
    first = pa.array([low for low, _ in bounds], pa.int64()).take(blocks.indices)
    last = pa.array([high for _, high in bounds], pa.int64()).take(blocks.indices)
    packed = b"".join(map(socket.inet_aton, addresses.to_pylist()))
    numbers = pa.array(unpack(f">{len(addresses)}I", packed), pa.int64())
    return pc.and_(pc.greater_equal(numbers, first), pc.less_equal(numbers, last))


def _v4_bounds(network: str) -> tuple[int, int]:
    """Return the first and the last address of a canonical network as numbers; one of IPv6 has none."""
    address, _, bits = network.partition("/")
    if ":" in address:
        return 0, -1
    first = int.from_bytes(socket.inet_aton(address), "big")
    return first, first | (1 << (_V4_BITS - int(bits))) - 1


@lru_cache(_REMEMBERED)
def _block(network: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(network)


@lru_cache(_REMEMBERED)
def _address(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(address)
