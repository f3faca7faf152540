"""A small colour profile of a press with four inks, made up here: no print shop's profile may be given away."""

import struct
from itertools import product

NAME = b"Press of an example"


def cmyk_profile(*, device: bytes = b"prtr", space: bytes = b"CMYK", version: int = 2) -> bytes:
    """An ICC profile (ICC.1:2001-04) from inks to Lab and back, with tables of two steps an ink."""
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(NAME) + 1) + NAME + bytes(1 + 4 + 4 + 2 + 1 + 67),
        b"cprt": b"text\0\0\0\0CC0\0",
        b"wtpt": b"XYZ \0\0\0\0" + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D),
        b"A2B0": _table(4, 3, [_lab(inks) for inks in product((0, 1), repeat=4)]),
        b"B2A0": _table(3, 4, [_inks(*lab) for lab in product((0, 1), repeat=3)]),
    }
    start = 128 + 4 + 12 * len(tags)
    index, bodies = struct.pack(">I", len(tags)), b""
    for name, body in tags.items():
        index += name + struct.pack(">II", start + len(bodies), len(body))
        bodies += body + bytes(-len(body) % 4)
    size = start + len(bodies)
    header = struct.pack(">I4xB3x4s4s4s", size, version, device, space, b"Lab ")
    header += struct.pack(">6H4s", 2027, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    header += struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    return header.ljust(128, b"\0") + index + bodies


def _table(inputs: int, outputs: int, points: list[bytes]) -> bytes:
    """A lut8Type: straight curves around a table of two steps a channel."""
    straight = bytes(range(256))
    matrix = struct.pack(">9i", *(0x10000 if at % 4 == 0 else 0 for at in range(9)))
    head = b"mft1\0\0\0\0" + bytes([inputs, outputs, 2, 0]) + matrix
    return head + straight * inputs + b"".join(points) + straight * outputs


def _lab(inks: tuple[int, ...]) -> bytes:
    cyan, magenta, yellow, black = inks
    light = 255 - 60 * (cyan + magenta) - 20 * yellow
    a = 128 - 40 * cyan + 70 * magenta
    b = 128 - 50 * cyan + 80 * yellow
    return bytes([light // 8, 128, 128]) if black else bytes([light, a, b])


def _inks(light: int, a: int, b: int) -> bytes:
    return bytes([0, 0, 0, 255 * (1 - light)])
