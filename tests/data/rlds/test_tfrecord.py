from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lapa_edge.data.rlds.tfrecord import Record, iterate_records, masked_crc, read_record
from lapa_edge.errors import DataError

from .tfrecords import frame_record, write_shard

PAYLOADS = (b"first", b"", b"third" * 50)
SECOND, THIRD = len(frame_record(PAYLOADS[0])), len(frame_record(PAYLOADS[0])) + 16

shared_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def read_until_error(shard: Path) -> tuple[list[Record], str]:
    """The records before the error, and the error."""
    records: list[Record] = []
    try:
        for record in iterate_records(shard):
            records.append(record)
    except DataError as error:
        return records, str(error)
    return records, ""


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    return write_shard(tmp_path / "a.tfrecord", PAYLOADS)


def test_checksum_is_crc32c_with_the_mask_undone() -> None:
    rotated = (masked_crc(b"123456789") - 0xA282EAD8) & 0xFFFFFFFF
    assert (rotated >> 17 | rotated << 15) & 0xFFFFFFFF == 0xE3069283  # RFC 3720's check value


def test_records_come_back_as_written_and_by_their_offset(shard: Path) -> None:
    records = list(iterate_records(shard))
    assert [r.payload for r in records] == list(PAYLOADS)
    assert [(r.index, r.offset, r.damage) for r in records] == [
        (0, 0, None),
        (1, SECOND, None),
        (2, THIRD, None),
    ]
    assert [read_record(shard, r.index, r.offset) for r in records] == list(PAYLOADS)


@pytest.mark.parametrize("cut", [1, 11, 12, 100, 250, 265])
def test_cut_record_is_named_after_those_before_it(shard: Path, cut: int) -> None:
    shard.write_bytes(shard.read_bytes()[: THIRD + cut])
    records, error = read_until_error(shard)
    assert [r.payload for r in records] == list(PAYLOADS[:2])
    assert f"shard {shard}, record 2: cut" in error
    assert "the rest of the shard cannot be read" in error
    with pytest.raises(DataError, match="record 2: cut"):
        read_record(shard, 2, THIRD)


def test_damaged_bytes_leave_the_next_record_readable(shard: Path) -> None:
    data = bytearray(shard.read_bytes())
    data[14] ^= 1
    shard.write_bytes(data)
    records, error = read_until_error(shard)
    assert [r.payload for r in records] == [b"", *PAYLOADS[1:]]
    assert not error
    assert f"shard {shard}, record 0: its 5 bytes have a wrong checksum" in str(records[0].damage)
    with pytest.raises(DataError, match="wrong checksum"):
        read_record(shard, 0, 0)


@pytest.mark.parametrize("byte", [0, 7, 8, 11])
def test_damaged_length_ends_the_shard(shard: Path, byte: int) -> None:
    data = bytearray(shard.read_bytes())
    data[SECOND + byte] ^= 1
    shard.write_bytes(data)
    records, error = read_until_error(shard)
    assert len(records) == 1
    assert "record 1: its length has a wrong checksum" in error
    assert "the rest of the shard cannot be read" in error


def test_immense_length_is_not_believed(tmp_path: Path) -> None:
    length = struct.pack("<Q", 2**63)
    path = tmp_path / "a.tfrecord"
    path.write_bytes(length + struct.pack("<I", masked_crc(length)) + b"few bytes")
    with pytest.raises(DataError, match=f"needs {2**63 + 4} more bytes, the file has 9"):
        next(iterate_records(path))


def test_empty_missing_and_compressed_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    for read in (lambda: list(iterate_records(path)), lambda: read_record(path, 0, 0)):
        with pytest.raises(DataError, match=r"a\.tfrecord: cannot be opened \(No such file"):
            read()
    path.touch()
    with pytest.raises(DataError, match=r"a\.tfrecord: the file is empty"):
        list(iterate_records(path))
    path.write_bytes(b"\x1f\x8b" + bytes(30))
    with pytest.raises(DataError, match=r"compressed with gzip.*; unpack it with gunzip"):
        list(iterate_records(path))


@shared_folder
@given(data=st.binary(max_size=200))
def test_any_bytes_end_in_data_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.tfrecord"
    path.write_bytes(data)
    records, error = read_until_error(path)
    assert error or records


@shared_folder
@given(
    position=st.integers(0, THIRD + 265),
    change=st.integers(0, 255),
    cut=st.integers(0, THIRD + 266),
)
def test_changed_shard_never_gives_changed_bytes(
    tmp_path: Path, position: int, change: int, cut: int
) -> None:
    path = write_shard(tmp_path / "a.tfrecord", PAYLOADS)
    data = bytearray(path.read_bytes())
    data[position] ^= change
    path.write_bytes(data[:cut])
    for record in read_until_error(path)[0]:
        assert record.damage or record.payload == PAYLOADS[record.index]
