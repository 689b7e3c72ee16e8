from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapa_edge.data.rlds.tf_example import parse_example
from lapa_edge.errors import DataError

from .tfrecords import encode_example

FEATURES: dict[str, Any] = {
    "steps/action": np.array([0.5, -1.25, np.inf], dtype=np.float32),
    "steps/is_last": np.array([0, 1, -(2**63)], dtype=np.int64),
    "steps/image": [b"\xff\xd8", b"", b"text"],
}
ENCODED = encode_example(FEATURES)


def test_values_come_back_as_written() -> None:
    values = parse_example(ENCODED, "record 0")
    assert sorted(values) == sorted(FEATURES)
    for name in ("steps/action", "steps/is_last"):
        value = values[name]
        assert isinstance(value, np.ndarray)
        assert value.dtype == FEATURES[name].dtype
        np.testing.assert_array_equal(value, FEATURES[name])
    assert list(values["steps/image"]) == FEATURES["steps/image"]


def test_only_wanted_features_are_given() -> None:
    assert list(parse_example(ENCODED, "record 0", ["steps/image", "absent"])) == ["steps/image"]


def test_unpacked_numbers_are_read_too() -> None:
    # Older writers put a tag before every number of a list.
    floats = b"".join(b"\x0d" + np.float32(x).tobytes() for x in (1.5, -2))
    feature = b"\x12" + bytes([len(floats)]) + floats
    entry = b"\x0a\x01a\x12" + bytes([len(feature)]) + feature
    entries = b"\x0a" + bytes([len(entry)]) + entry
    value = parse_example(b"\x0a" + bytes([len(entries)]) + entries, "record 0")["a"]
    np.testing.assert_array_equal(value, [1.5, -2])


def test_feature_without_a_list_is_left_out() -> None:
    entries = b"\x0a\x05\x0a\x01a\x12\x00"
    assert parse_example(b"\x0a" + bytes([len(entries)]) + entries, "record 0") == {}


@pytest.mark.parametrize("data", [b"\xff", b"\x89PNG\r\n\x1a\n", ENCODED[:-1]])
def test_other_bytes_are_no_example(data: bytes) -> None:
    with pytest.raises(DataError, match=r"record 7: expected a tf\.train\.Example"):
        parse_example(data, "record 7")


@given(data=st.binary(max_size=100))
def test_any_bytes_end_in_values_or_data_error(data: bytes) -> None:
    with suppress(DataError):
        parse_example(data, "record 0")


@given(
    changes=st.lists(st.tuples(st.integers(0, len(ENCODED) - 1), st.integers(0, 255)), max_size=4)
)
def test_changed_example_ends_in_values_or_data_error(changes: list[tuple[int, int]]) -> None:
    data = bytearray(ENCODED)
    for position, byte in changes:
        data[position] = byte
    with suppress(DataError):
        for value in parse_example(bytes(data), "record 0").values():
            assert isinstance(value, np.ndarray) or all(isinstance(x, bytes) for x in value)
