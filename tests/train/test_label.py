"""Labelling: every frame once, the same however often it was killed and however it is spread."""

from __future__ import annotations

import multiprocessing
import resource
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import write_clips
from latent_runs import LATENTS, untrained_run

from lapa_edge.cli.label import LabelFlags, label
from lapa_edge.data.dataset import read_dataset
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.data.labels import describe_usage, part_path, read_labels
from lapa_edge.data.pairs import FramePairs
from lapa_edge.errors import ConfigError, DataError
from lapa_edge.train.codec import TrainedCodec, read_codec
from lapa_edge.train.frames import open_frames
from lapa_edge.train.label import label_video
from lapa_edge.train.run_directory import RunDirectory

CLIPS = 12


@dataclass(frozen=True)
class Video:
    """Twelve clips, their frames, and a run to label them with."""

    root: Path
    store: FrameStore
    fps: dict[str, float]
    run: RunDirectory
    codec: TrainedCodec

    def label(self, out: Path, clips_per_part: int = 1, **other: object) -> Path:
        """Label into `out`, with something else in place of what lies here."""
        with_ = replace(self, **other)  # type: ignore[arg-type]
        gap_s = with_.codec.latent.gap_s
        pairs = FramePairs(with_.store, (gap_s,), with_.fps)
        label_video(with_.codec, with_.run.fingerprint(), with_.store, pairs, out, clips_per_part)
        return out


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    root = tmp_path_factory.mktemp("video")
    dataset = read_dataset(write_clips(root / "clips", CLIPS, labelled=False))
    store = open_frames(dataset, LATENTS.frame, root / "cache")
    run = untrained_run(root / "run")
    return Video(root, store, dataset.fps, run, read_codec(run))


@pytest.fixture(scope="module")
def labels(video: Video) -> Path:
    """Labels that nothing interrupted."""
    return video.label(video.root / "labels")


def contents(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in root.iterdir()}


def test_every_frame_but_each_clips_last_is_labelled(labels: Path, video: Video) -> None:
    found = read_labels(labels)
    for name in video.store.names:
        frames = found.frame[found.clip == name]
        assert frames.tolist() == list(range(video.store.count(name) - 1))
    assert len(found.frame) == len(video.store.all) - CLIPS
    assert found.codes.min() >= 0
    assert found.codes.max() < found.latent.k
    assert describe_usage(found).frames == len(found.frame)


def test_a_label_is_what_the_codec_says_of_a_frame_and_a_later_one(
    labels: Path, video: Video
) -> None:
    found, name = read_labels(labels), video.store.names[7]
    frames, here = video.store.frames(name), found.clip == name
    later = np.minimum(np.arange(len(frames) - 1) + 3, len(frames) - 1)  # 0.3 s at 10 fps
    encoded = video.codec.encode(frames[:-1], frames[later])
    np.testing.assert_allclose(found.latents[here], encoded.latents, atol=1e-5)
    np.testing.assert_allclose(found.distance[here], encoded.distance, atol=1e-5)
    assert np.array_equal(found.codes[here], encoded.codes)


def test_the_number_of_threads_does_not_show_in_the_labels(
    labels: Path, video: Video, tmp_path: Path
) -> None:
    before = torch.get_num_threads()
    for threads in (1, 3):
        torch.set_num_threads(threads)
        try:
            assert contents(video.label(tmp_path / str(threads))) == contents(labels)
            assert torch.get_num_threads() == threads
        finally:
            torch.set_num_threads(before)


def test_parts_of_any_size_hold_the_same_labels(labels: Path, video: Video, tmp_path: Path) -> None:
    one, other = read_labels(labels), read_labels(video.label(tmp_path / "five", 5))
    assert len(list((tmp_path / "five").glob("part-*"))) == 3
    for name in ("clip", "frame", "codes"):
        assert np.array_equal(getattr(one, name), getattr(other, name))
    np.testing.assert_allclose(one.latents, other.latents, atol=1e-5)  # other batches


def test_a_lost_part_is_written_again_alike(labels: Path, video: Video, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(labels, tmp_path / "copy"))
    part_path(copy, 3).unlink()
    video.label(copy)
    assert contents(copy) == contents(labels)


def test_clips_of_one_frame_have_no_labels_and_do_no_harm(video: Video, tmp_path: Path) -> None:
    spans = {"short": (0, 1), "long": (12, 12), "brief": (24, 1)}
    store = FrameStore(video.store.all, spans)
    root = video.label(tmp_path, store=store, fps=dict.fromkeys(spans, 10.0))
    assert set(read_labels(root).clip.tolist()) == {"long"}


def test_clips_need_not_lie_in_the_order_of_their_names(
    labels: Path, video: Video, tmp_path: Path
) -> None:
    names = ("clip_7", "clip_2", "clip_11")
    found = read_labels(video.label(tmp_path, store=video.store.only(names)))
    whole = read_labels(labels)
    for name in names:
        wanted = whole.latents[whole.clip == name]
        assert np.array_equal(found.latents[found.clip == name], wanted)


def test_a_full_disk_is_told_and_labelling_goes_on_after_it(
    labels: Path, video: Video, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(labels, tmp_path / "copy"))
    part_path(copy, 3).unlink()
    with (
        files_of_at_most(1000),
        pytest.raises(DataError, match=r"part-00003.*: writing failed \(File too large\).*kept"),
    ):
        video.label(copy)
    assert contents(copy).keys() == contents(labels).keys() - {"part-00003.parquet"}
    video.label(copy)
    assert contents(copy) == contents(labels)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The kernel refuses to write more, as it does where a disk is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_other_weights_gaps_clips_and_frames_are_refused(
    labels: Path, video: Video, tmp_path: Path
) -> None:
    before = contents(labels)
    run = untrained_run(tmp_path / "weights", seed=1)
    with pytest.raises(ConfigError, match="were written by another model; choose another --out"):
        video.label(labels, run=run, codec=read_codec(run))

    run = untrained_run(tmp_path / "gap", replace(LATENTS, gap_s=(0.4,)))
    assert run.fingerprint() == video.run.fingerprint()
    with pytest.raises(ConfigError, match="at another gap"):
        video.label(labels, run=run, codec=read_codec(run))

    split = video.store.only(video.store.names[:-1])
    with pytest.raises(ConfigError, match="for other clips"):
        video.label(labels, store=split)
    with pytest.raises(ConfigError, match="for other frames of these clips"):
        video.label(labels, fps=dict.fromkeys(video.fps, 20.0))

    other_camera = FrameStore(255 - video.store.all, video.store.spans)
    with pytest.raises(ConfigError, match="for other frames of these clips"):
        video.label(labels, store=other_camera)
    assert contents(labels) == before


@pytest.mark.parametrize("seed", range(2))
def test_labels_of_a_process_that_is_killed_again_and_again_have_no_hole(
    labels: Path, video: Video, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Processes of their own, forked from one that has loaded torch but never used it.
    monkeypatch.chdir(tmp_path)  # a checkout that is not built must not come first
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lapa_edge.train.label", "lapa_edge.data.dataset"])
    flags = LabelFlags(
        run=video.run.root,
        data=video.root / "clips",
        cache=video.root / "cache",
        out=tmp_path / "labels",
        clips_per_part=1,
    )
    rng, seen = np.random.default_rng(seed), []
    for goal in sorted(rng.integers(1, CLIPS, 3).tolist()):
        process = context.Process(target=label, args=(flags,))
        process.start()
        while process.is_alive() and begun(flags.out) < goal:
            time.sleep(0.0002)
        if rng.random() < 0.5:  # else while it writes
            time.sleep(rng.uniform(0, 0.02))
        process.kill()
        process.join()
        seen.append(begun(flags.out))
    assert 0 < seen[0] < CLIPS, "never killed in the middle"

    label(flags)
    assert contents(flags.out) == contents(labels)


def begun(root: Path) -> int:
    """Parts that are there or half-written."""
    return len(list(root.glob("*part-*")))
