"""Several cameras read as one store."""

import numpy as np
import pytest
from clips import write_clips

from lapa_edge.data.cameras import join_cameras, same_clips
from lapa_edge.data.dataset import read_dataset
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.errors import DataError


def store(counts, start=0, skipped=()):
    """A store whose frame `t` of clip number `c` is ``start + 20 c + t`` everywhere."""
    frames, spans = [], {}
    for name, count in counts.items():
        spans[name] = (len(frames), count)
        frames += [np.full((2, 2, 3), start + 20 * int(name) + t, np.uint8) for t in range(count)]
    return FrameStore(np.stack(frames), spans, tuple(skipped))


def test_each_frame_comes_with_the_same_moment_of_the_other_cameras():
    front, wrist = store({"0": 3, "1": 4, "2": 2}), store({"2": 2, "0": 3, "1": 4}, start=100)
    both = join_cameras({"front": front, "wrist": wrist})
    index = np.array([8, 0, 3, 6, 2, 3])
    views = both.gather(index)
    assert views.shape == (6, 2, 2, 6)
    assert (views[..., :3] == front.gather(index)).all()
    assert (views[..., 3:] == views[..., :3] + 100).all()
    assert (both.frames("1")[:, 0, 0, 3] == [120, 121, 122, 123]).all()


def test_a_single_camera_keeps_its_own_store():
    front = store({"0": 3})
    assert join_cameras({"front": front}) is front


def test_a_clip_that_one_camera_lost_is_left_out_for_all():
    front, wrist = store({"0": 3, "1": 4, "2": 2}), store({"0": 3, "2": 2}, 100, ["clip 1: cut"])
    both = join_cameras({"front": front, "wrist": wrist})
    assert both.names == ("0", "2")
    assert both.skipped == ("clip 1: cut",)
    assert (both.gather(np.array([7]))[0, 0, 0] == [40, 40, 40, 140, 140, 140]).all()
    with pytest.raises(DataError, match="clip 1: the frame store lacks it"):
        both.offset("1")


def test_a_clip_that_is_longer_for_one_camera_is_named():
    with pytest.raises(DataError, match="clip 1: camera front has 4 frames, wrist has 5"):
        join_cameras({"front": store({"0": 3, "1": 4}), "wrist": store({"0": 3, "1": 5})})


def test_cameras_without_a_clip_in_common_are_refused():
    with pytest.raises(DataError, match="cameras front, wrist: no clip"):
        join_cameras({"front": store({"0": 3}), "wrist": store({"1": 3})})


def test_other_cameras_or_another_order_make_another_fingerprint():
    front, short = store({"0": 3, "1": 2}), store({"1": 2, "0": 3})
    one = join_cameras({"a": front, "b": front}).fingerprint()
    assert one != front.fingerprint()
    assert one == join_cameras({"a": front, "b": store({"0": 3, "1": 2})}).fingerprint()
    assert one != join_cameras({"a": front, "b": front, "c": front}).fingerprint()
    assert one != join_cameras({"a": front, "b": short}).fingerprint()
    there, back = ({"a": front, "b": short}, {"b": short, "a": front})
    assert join_cameras(there).fingerprint() != join_cameras(back).fingerprint()


def test_a_camera_without_one_of_the_clips_is_named(tmp_path):
    dataset = read_dataset(write_clips(tmp_path / "all", 3, labelled=True))
    fewer = read_dataset(write_clips(tmp_path / "fewer", 2, labelled=False))
    with pytest.raises(DataError, match="clip clip_2: camera wrist has none of this name"):
        same_clips(dataset, fewer, "wrist")
    assert [e.name for e in same_clips(fewer, dataset, "front").episodes] == ["clip_0", "clip_1"]
