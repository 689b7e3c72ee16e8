"""TFRecord shards in, records out, each checked by its CRC32C.

    uint64 length | uint32 masked CRC of length | length bytes | uint32 masked CRC of the bytes

All little-endian. A record's bytes may be damaged and the next one still be found; once a length is
damaged, or the file ends too early, nothing behind it can be.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import google_crc32c

from lapa_edge.errors import DataError

HEADER, FOOTER = struct.Struct("<QI"), struct.Struct("<I")
OVERHEAD = HEADER.size + FOOTER.size  # bytes of a record that are not its payload
GZIP = b"\x1f\x8b"
AGAIN = "copy or download the shard again"
LOST = "the rest of the shard cannot be read"


@dataclass(frozen=True)
class Record:
    """One record of a shard.

    Attributes:
        index: counted from 0.
        offset: where it begins in the shard, bytes; `read_record` takes it.
        payload: its bytes; empty where damaged.
        damage: why the bytes cannot be trusted, None for a whole record.
    """

    index: int
    offset: int
    payload: bytes
    damage: DataError | None = None


def iterate_records(shard: Path) -> Iterator[Record]:
    """Read a shard from its first record to its last, one at a time.

    Yields:
        Every record that can be found; one whose bytes are damaged carries the reason.

    Raises:
        DataError: the file is missing or empty, a length is damaged, or the last record is cut;
            raised after the records before it.
    """
    with _opened(shard) as file:
        size, offset, index = shard.stat().st_size, 0, 0
        if size == 0:
            raise DataError(f"shard {shard}", "the file is empty (0 bytes)", AGAIN)
        while offset < size:
            record = _next_record(shard, file, index, size)
            yield record
            offset, index = file.tell(), index + 1


def read_record(shard: Path, index: int, offset: int) -> bytes:
    """The bytes of the record that begins at ``offset``; ``index`` is for messages.

    Raises:
        DataError: the file is missing, or holds no whole record there.
    """
    with _opened(shard) as file:
        file.seek(offset)
        record = _next_record(shard, file, index, shard.stat().st_size)
    if record.damage:
        raise record.damage
    return record.payload


def masked_crc(data: bytes) -> int:
    """CRC32C, turned right by 15 bits and shifted by a constant, as the format asks.

    The mask keeps the checksum of bytes that hold checksums themselves from being a fixed one.
    """
    crc = int(google_crc32c.value(data))
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _next_record(shard: Path, file: BinaryIO, index: int, size: int) -> Record:
    thing, offset = f"shard {shard}, record {index}", file.tell()
    header = file.read(HEADER.size)
    if len(header) < HEADER.size:
        raise DataError(
            thing, f"cut after {len(header)} of {HEADER.size} bytes of its header; {LOST}", AGAIN
        )
    length, crc = HEADER.unpack(header)
    if masked_crc(header[:8]) != crc:
        kind = "compressed with gzip" if header.startswith(GZIP) else "damaged, or no TFRecord"
        raise DataError(
            thing,
            f"its length has a wrong checksum: the file is {kind}; {LOST}",
            "unpack it with gunzip" if header.startswith(GZIP) else AGAIN,
        )
    there = size - offset - HEADER.size
    if length + FOOTER.size > there:  # before reading: a wrong length may be any number
        raise DataError(
            thing,
            f"cut short: it needs {length + FOOTER.size} more bytes, the file has {there}; {LOST}",
            AGAIN,
        )
    payload = file.read(length)
    footer = file.read(FOOTER.size)
    if len(footer) < FOOTER.size:
        raise DataError(thing, f"the file was cut while it was being read; {LOST}", AGAIN)
    if masked_crc(payload) != FOOTER.unpack(footer)[0]:
        damage = DataError(thing, f"its {length} bytes have a wrong checksum", AGAIN)
        return Record(index, offset, b"", damage)
    return Record(index, offset, payload)


def _opened(shard: Path) -> BinaryIO:
    try:
        return shard.open("rb")
    except OSError as error:
        reason = f"cannot be opened ({error.strerror})"
        raise DataError(f"shard {shard}", reason, AGAIN) from error
