"""What an RLDS dataset that is damaged, or none at all, does: a line that names it, never more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lapa_edge.data.frame_store import build_frame_store
from lapa_edge.data.rlds.reader import read_rlds
from lapa_edge.errors import DataError

from .datasets import T, features, frame, tensor, write_dataset, write_features_json
from .tfrecords import encode_example, encode_jpeg, encode_png, frame_record, write_shard

GOOD = features()
RECORD = frame_record(encode_example(GOOD))
IMAGES = "observation/image_0"
LEAVES = {
    IMAGES: {"image": {"shape": {"dimensions": ["12", "16", "3"]}, "dtype": "uint8"}},
    "action": tensor("float32", 3, encoding="none"),
    "is_last": tensor("bool"),
}
shared_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def read_with(folder: Path, bad: dict[str, Any]) -> str:
    """The line on a bad episode between two good ones, which are read."""
    shard = write_dataset(folder, [GOOD, bad, GOOD])
    dataset = read_rlds(folder, max_damaged=0.4)
    assert [e.name[-5:] for e in dataset.episodes] == ["00000", "00002"]
    (line,) = dataset.skipped
    assert line.startswith(f"shard {shard}, record 1")
    return line


def test_action_that_is_no_number_is_skipped_and_named(tmp_path: Path) -> None:
    action = np.zeros(3 * T, dtype=np.float32)
    action[4] = np.nan
    assert "action: expected finite numbers, got [0.0, nan, 0.0] in step 1" in read_with(
        tmp_path, features(action=action)
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"action": np.zeros(7, dtype=np.float32)}, "steps/action: expected 5 x 3 numbers"),
        ({"action": None}, "steps/action: expected 5 x 3 numbers, one row per frame, got none"),
        ({"action": [b"a"]}, "steps/action: expected 5 x 3 numbers, .*, got 1 byte strings"),
        ({"is_last": np.zeros(4, dtype=np.int64)}, "steps/is_last: expected 5 x 1 .*, got 4 n"),
        ({IMAGES: []}, "it holds no images in steps/observation/image_0"),
        ({IMAGES: None}, "it holds no images in steps/observation/image_0"),
        ({IMAGES: np.zeros(3)}, "it holds no images in steps/observation/image_0"),
        ({"language_instruction": [b"\xff\xfe"]}, "language_instruction: expected UTF-8 text"),
        ({"language_instruction": np.full(5, 1000)}, "language_instruction: expected UTF-8 text"),
        ({"language_instruction": np.full(5, np.inf)}, "language_instruction: expected UTF-8"),
    ],
)
def test_features_that_do_not_fit_are_skipped_and_named(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    line = read_with(tmp_path, features(**changes))
    with pytest.raises(DataError, match=message):
        raise DataError(line, "")


def test_first_record_that_is_bad_does_not_tell_the_features(tmp_path: Path) -> None:
    bad = features(action=np.zeros(7, dtype=np.float32))
    write_dataset(tmp_path, [bad, features(**{IMAGES: [b""]}), GOOD, GOOD])
    dataset = read_rlds(tmp_path, max_damaged=0.5)
    assert len(dataset.labelled.episodes) == 2
    assert len(dataset.skipped) == 2


def test_record_that_is_no_example_is_skipped_and_named(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "bridge.tfrecord", [b"\xff", *[encode_example(GOOD)] * 2])
    dataset = read_rlds(tmp_path, max_damaged=0.4)
    assert len(dataset.episodes) == 2
    assert f"shard {shard}, record 0: expected a tf.train.Example" in dataset.skipped[0]


def test_wrong_checksum_is_skipped_and_named(tmp_path: Path) -> None:
    shard = write_dataset(tmp_path, [GOOD] * 4)
    data = bytearray(shard.read_bytes())
    data[len(RECORD) + 50] ^= 1
    shard.write_bytes(data)
    dataset = read_rlds(tmp_path, max_damaged=0.25)
    assert len(dataset.episodes) == 3
    assert f"shard {shard}, record 1: its" in dataset.skipped[0]
    with pytest.raises(DataError, match="1 of 4 clips are damaged, at most 10% may be: shard"):
        read_rlds(tmp_path)


@pytest.mark.parametrize("change", ["cut", "length"])
def test_rest_of_a_broken_shard_is_one_damaged_entry(tmp_path: Path, change: str) -> None:
    shard = write_dataset(tmp_path, [GOOD] * 4)
    data = bytearray(shard.read_bytes())
    if change == "cut":
        del data[2 * len(RECORD) + 100 :]
    else:
        data[2 * len(RECORD)] ^= 1
    shard.write_bytes(data)
    dataset = read_rlds(tmp_path, max_damaged=0.5)
    assert len(dataset.episodes) == 2
    (line,) = dataset.skipped
    assert line.startswith(f"shard {shard}, record 2: ")
    assert "the rest of the shard cannot be read" in line


@pytest.mark.parametrize("content", [b"", b"this is no TFRecord at all"])
def test_other_shards_are_read_beside_one_of_garbage(tmp_path: Path, content: bytes) -> None:
    shard = tmp_path / "bridge_small-train.tfrecord-00001-of-00002"
    shard.write_bytes(content)
    with pytest.raises(DataError, match="no record of its 1 shards is readable: shard"):
        read_rlds(tmp_path)
    write_shard(tmp_path / "bridge_small-train.tfrecord-00000-of-00002", [encode_example(GOOD)])
    dataset = read_rlds(tmp_path, max_damaged=0.5)
    assert len(dataset.episodes) == 1
    assert dataset.skipped[0].startswith(f"shard {shard}")


def test_nothing_readable_is_an_error_even_where_the_features_are_told(tmp_path: Path) -> None:
    shard = write_dataset(tmp_path, [GOOD])
    write_features_json(tmp_path, {IMAGES: {"image": {"shape": {"dimensions": [1, 1, 3]}}}})
    shard.write_bytes(b"")
    with pytest.raises(DataError, match="1 of 1 clips are damaged"):
        read_rlds(tmp_path, max_damaged=1.0)


def test_empty_shard_that_is_promised_empty_is_no_damage(tmp_path: Path) -> None:
    write_dataset(tmp_path, [GOOD])
    write_dataset(tmp_path, [], "test")
    split = {"name": "test", "shardLengths": [0]}
    (tmp_path / "dataset_info.json").write_text(json.dumps({"splits": [split]}))
    assert not read_rlds(tmp_path, split="all").skipped
    with pytest.raises(DataError, match="its shards of val hold no episodes"):
        read_rlds(tmp_path, split="val")


@pytest.mark.parametrize("name", ["features.json", "dataset_info.json"])
@pytest.mark.parametrize("content", ["{", "[1]", '{"featuresDict": 1, "splits": 1}', "null"])
def test_description_that_is_damaged_is_named(tmp_path: Path, name: str, content: str) -> None:
    write_dataset(tmp_path, [GOOD])
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=f"{name}: not .*; mend or remove it"):
        read_rlds(tmp_path)


def test_description_of_an_older_form_is_passed_over(tmp_path: Path) -> None:
    write_dataset(tmp_path, [GOOD])
    (tmp_path / "features.json").write_text('{"type": "FeaturesDict", "content": "{}"}')
    assert len(read_rlds(tmp_path).episodes) == 1


def images(*frames: bytes) -> dict[str, Any]:
    return features(**{IMAGES: list(frames)})


def test_bad_images_are_skipped_and_named_when_decoded(tmp_path: Path) -> None:
    good = [encode_png(frame(i)) for i in range(T)]
    cut = encode_jpeg(frame(1))[:-40]
    larger = encode_png(frame(1, height=20))
    shard = write_dataset(
        tmp_path / "data", [GOOD, images(*good[:3], cut, good[4]), images(*good[:4], larger)]
    )
    dataset = read_rlds(tmp_path / "data")
    assert len(dataset.episodes) == 3
    store = build_frame_store(dataset, tmp_path / "store", 12, 16)
    assert store.names == ("bridge_small-train-00000-00000",)
    assert f"shard {shard}, record 1, frame 3 of steps/{IMAGES}: " in store.skipped[0]
    assert store.skipped[1].startswith(
        f"shard {shard}, record 2: frame 4 of steps/{IMAGES} is 20x16, the first is 12x16"
    )


def frames_of(folder: Path) -> Iterator[Any]:
    """Read everything that can be read."""
    with suppress(DataError):
        for episode in read_rlds(folder, max_damaged=1.0).episodes:
            with suppress(DataError):
                yield from episode.video.read()


@shared_folder
@given(data=st.binary(max_size=200))
def test_any_bytes_as_a_shard_end_in_data_error(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "bridge.tfrecord").write_bytes(data)
    with pytest.raises(DataError):
        read_rlds(tmp_path, max_damaged=1.0)


CHANGES = st.lists(st.tuples(st.integers(0, len(RECORD) - 1), st.integers(0, 255)), max_size=5)


@shared_folder
@given(changes=CHANGES, whole_checksum=st.booleans(), described=st.booleans())
def test_changed_shard_ends_in_frames_or_data_error(
    tmp_path: Path, changes: list[tuple[int, int]], whole_checksum: bool, described: bool
) -> None:
    data = bytearray(encode_example(GOOD) if whole_checksum else RECORD)
    for position, byte in changes:
        data[position % len(data)] = byte
    record = frame_record(bytes(data)) if whole_checksum else bytes(data)
    (tmp_path / "bridge.tfrecord").write_bytes(record + RECORD)
    if described:
        write_features_json(tmp_path, LEAVES)
    else:
        (tmp_path / "features.json").unlink(missing_ok=True)
    for image in frames_of(tmp_path):
        assert image.dtype == np.uint8


INFO = {"name": "bridge", "splits": [{"name": "train", "shardLengths": ["1"]}]}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


def replaced(node: Any, position: list[int], value: Any) -> Any:
    """The tree with another value where ``position``, a turn per level, leads to."""
    children = node if isinstance(node, dict) else dict(enumerate(node)) if node else {}
    if not position or not isinstance(node, dict | list) or not children:
        return value
    key = list(children)[position[0] % len(children)]
    changed = {**children, key: replaced(children[key], position[1:], value)}
    return changed if isinstance(node, dict) else list(changed.values())


@shared_folder
@given(position=st.lists(st.integers(0, 6), max_size=12), value=JSON, info=st.booleans())
def test_changed_description_ends_in_frames_or_data_error(
    tmp_path: Path, position: list[int], value: Any, info: bool
) -> None:
    write_dataset(tmp_path, [GOOD])
    path = tmp_path / "dataset_info.json" if info else write_features_json(tmp_path, LEAVES)
    tree = INFO if info else json.loads(path.read_text())
    path.write_text(json.dumps(replaced(tree, position, value)))
    list(frames_of(tmp_path))
    path.unlink()
