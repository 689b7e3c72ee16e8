"""One recorded bag of ROS 2 messages, opened: its topics, log times and messages.

`rosbags` reads MCAP and SQLite, single files and folders with ``metadata.yaml``, without ROS; it
is imported when a bag is opened. What it lacks is here: the times of a topic's messages taken from
the index alone, so that looking at a recording of many gigabytes does not read its images.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lapa_edge.errors import DataError, LapaError, MissingDependencyError

AGAIN = "repair it (ros2 bag reindex, mcap recover) or remove it"
INDEX_HEAD = struct.Struct("<BQHI")  # of an MCAP index record: kind, bytes, channel, bytes of pairs
INDEX_KIND = 0x07


@dataclass(frozen=True)
class Bag:
    """A bag while it is open; made by `opened_bag`."""

    path: Path
    reader: Any  # rosbags.rosbag2.Reader

    def topics(self, *types: str) -> list[str]:
        """Topics of these message types, such as ``sensor_msgs/msg/Image``, sorted by name."""
        return sorted({c.topic for c in self.reader.connections if c.msgtype in types})

    def log_times(self, topic: str) -> NDArray[np.int64]:
        """int64 [m]: when each message of a topic was recorded, ns, in the order of `messages`.

        Raises:
            DataError: the index lists other messages than the bag claims to hold.
        """
        storages = getattr(self.reader.storage, "storages", [self.reader.storage])
        times = np.concatenate([np.zeros(0, np.int64), *(_times(s, topic) for s in storages)])
        promised = sum(c.msgcount for c in self.reader.connections if c.topic == topic)
        if len(times) != promised:
            raise DataError(
                f"bag {self.path}",
                f"it promises {promised} messages of {topic}, its index lists {len(times)}",
                AGAIN,
            )
        return times

    def messages(self, topic: str) -> Iterator[tuple[str, bytes]]:
        """Type and CDR bytes of each message of a topic, for `decode_message`; read as asked for.

        Raises:
            DataError: the bag is damaged here, or a checksum does not fit.
        """
        for _, _, kind, data in self.records(topic):
            yield kind, data

    def records(self, *topics: str) -> Iterator[tuple[int, str, str, bytes]]:
        """Log time (ns), topic, type and CDR bytes of each message of these topics, by log time.

        Raises:
            DataError: the bag is damaged here, or a checksum does not fit.
        """
        connections = [c for c in self.reader.connections if c.topic in topics]
        with _named(self.path):
            for connection, time_ns, data in self.reader.messages(connections):
                yield time_ns, connection.topic, connection.msgtype, data

    def decode_message(self, kind: str, data: bytes) -> Any:
        """A message with ROS's field names; arrays are numpy's and read-only.

        Raises:
            DataError: the bytes are no such message.
        """
        with _named(self.path):
            return _typestore().deserialize_cdr(data, kind)


@contextmanager
def opened_bag(path: Path) -> Iterator[Bag]:
    """Open an ``.mcap`` or ``.db3`` file, or a rosbag2 folder.

    Raises:
        DataError: it is missing, cut short, or no bag.
        MissingDependencyError: rosbags is not installed.
    """
    try:
        from rosbags.rosbag2 import Reader
    except ImportError as error:
        raise MissingDependencyError(
            f"bag {path}", f"rosbags is not installed ({error})", "pip install 'lapa-edge[bags]'"
        ) from error
    with _named(path):
        reader = Reader(path)
        reader.open()
    try:
        yield Bag(path, reader)
    finally:
        reader.close()


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn whatever a damaged bag makes rosbags raise into a DataError that names the bag."""
    try:
        yield
    except LapaError:
        raise
    except Exception as error:  # struct.error, apsw.Error, AssertionError and more
        reason = str(error) or type(error).__name__
        raise DataError(f"bag {path}", f"not readable ({reason.rstrip('.')})", AGAIN) from error


@lru_cache(maxsize=1)
def _typestore() -> Any:
    """The message types; images and strings have not changed since ROS 2 began."""
    from rosbags.typesys import Stores, get_typestore

    return get_typestore(Stores.LATEST)


def _times(storage: Any, topic: str) -> NDArray[np.int64]:
    """Log times of one file of a bag, ascending."""
    connections = [c for c in storage.connections if c.topic == topic]
    ids = {c.id for c in connections}
    with _named(storage.path):
        if getattr(storage, "chunks", None):  # MCAP with an index
            pieces = [_index_times(storage.bio, chunk, ids) for chunk in storage.chunks]
            times = np.concatenate([np.zeros(0, np.int64), *pieces])
        elif getattr(storage, "dbconn", None):  # SQLite
            question = "SELECT timestamp FROM messages WHERE topic_id = ?"
            rows = [t for i in ids for (t,) in storage.dbconn.execute(question, (i,))]
            times = np.array(rows, dtype=np.int64)
        else:
            rows = [t for _, t, _ in storage.messages(connections)] if connections else []
            times = np.array(rows, dtype=np.int64)
    return np.sort(times)


def _index_times(file: BinaryIO, chunk: Any, channels: set[int]) -> NDArray[np.int64]:
    """Log times of a chunk's messages, from the records behind it that index them.

    A record: kind, size, channel, size of the pairs, then pairs of log time and offset (uint64).
    """
    pieces = [np.zeros(0, np.int64)]
    for channel in channels & set(chunk.message_index_offsets):
        file.seek(chunk.message_index_offsets[channel])
        kind, _, number, size = INDEX_HEAD.unpack(file.read(INDEX_HEAD.size))
        pairs = file.read(size)
        if kind != INDEX_KIND or number != channel or len(pairs) != size:
            raise ValueError("its message index is damaged")
        pieces.append(np.frombuffer(pairs, dtype="<i8").reshape(-1, 2)[:, 0])
    return np.concatenate(pieces)
