"""Labelling on a real Ray: the same bits, no noise, nothing left running."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from clips import write_clips

from lapa_edge.cli.label import LabelFlags, label
from lapa_edge.errors import ConfigError
from lapa_edge.train.latents import LatentsConfig, build_latent_model
from lapa_edge.train.presets import PRESETS
from lapa_edge.train.ray_cluster import check_answers
from lapa_edge.train.run_directory import RunDirectory

LATENTS = LatentsConfig(model=PRESETS["debug"].latents)
COMMAND = "from lapa_edge.cli.label import main; raise SystemExit(main())"
REFUSED = """
import sys
from pathlib import Path
from lapa_edge.data.pairs import FramePairs
from lapa_edge.errors import LapaError
from lapa_edge.cli.label import LabelFlags
from lapa_edge.train.codec import read_codec
from lapa_edge.train.frames import open_frames
from lapa_edge.train.label import LabelJob, describe_labels
from lapa_edge.train.label_scale import label_on_ray
from lapa_edge.train.run_directory import RunDirectory

root, address = Path(sys.argv[1]), sys.argv[2]
run, flags = RunDirectory(root / "run"), LabelFlags(data=root / "clips", run=root, out=root)
codec, dataset = read_codec(run), flags.read()
store = open_frames(dataset, codec.frame, root / "cache")
pairs = FramePairs(store, (codec.latent.gap_s,), dataset.fps)
info = describe_labels(codec.latent, "weights that are gone", store, pairs)
for workers in (3, 1):
    try:
        label_on_ray(LabelJob(info, store, pairs, root / "refused"), run, workers, address)
    except LapaError as error:
        print(error)
"""

pytestmark = pytest.mark.skipif(
    find_spec("ray") is None,
    reason="NO RAY: pip install 'lapa-edge[scale]'; labelling on it was not checked",
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips, a run that nothing was learned in, and labels from a single process."""
    root = tmp_path_factory.mktemp("scale")
    write_clips(root / "clips", 6, labelled=False)
    run = RunDirectory(root / "run")
    run.open(LATENTS)
    torch.manual_seed(0)
    run.finish(build_latent_model(LATENTS))
    label(
        LabelFlags(
            run=root / "run",
            data=root / "clips",
            cache=root / "cache",
            out=root / "labels",
            clips_per_part=1,
        )
    )
    return root


def start(root: Path, out: Path, *flags: str) -> subprocess.Popen[str]:
    """``lapa-label``, as the first process of a session of its own."""
    folders = {"run": root / "run", "data": root / "clips", "cache": root / "cache", "out": out}
    named = [word for key, path in folders.items() for word in (f"--{key}", str(path))]
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *named, "--clips-per-part", "1", *flags],
        cwd=root,  # a checkout that is not built must not come first
        env={**os.environ, "HOME": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def contents(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in root.iterdir()}


def running(session: int) -> dict[int, str]:
    """The processes of a session: name by id."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, fields = path.read_text().rsplit(") ", 1)
        except OSError:
            continue  # it ended just now
        state, _, _, its_session = fields.split()[:4]
        if int(its_session) == session and state != "Z":
            found[int(path.parent.name)] = name.split("(", 1)[1]
    return found


def wait_until_alone(session: int, patience_s: float = 60.0) -> None:
    end = time.monotonic() + patience_s
    while running(session) and time.monotonic() < end:
        time.sleep(0.2)
    assert running(session) == {}


@pytest.mark.slow
def test_two_workers_finish_what_one_began_bit_for_bit(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels"
    out.mkdir()
    for name in ("labels.json", "part-00000.parquet", "part-00004.parquet"):
        (out / name).write_bytes((root / "labels" / name).read_bytes())
    (out / ".part-00001.1.part.parquet").write_bytes(b"half of one")
    kept = (out / "part-00004.parquet").stat()

    process = start(root, out, "--workers", "2")
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert contents(out) == contents(root / "labels")
    assert (out / "part-00004.parquet").stat().st_mtime_ns == kept.st_mtime_ns
    wait_until_alone(process.pid)
    # One line that says how codes are used, two progress bars, nothing of Ray's.
    assert len(stdout.splitlines()) == 1 and "codes used" in stdout, stdout
    assert [line.split()[:2] for line in stderr.splitlines()] == [
        ["decode", "video"],
        ["label", "video"],
    ], stderr
    assert not (root / ".ray").exists()  # its token is ours alone


@pytest.mark.slow
def test_ctrl_c_ends_every_worker_and_keeps_whole_parts(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels"
    process = start(root, out, "--workers", "2")
    while process.poll() is None and "raylet" not in running(process.pid).values():
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130, stderr
    assert "stopped; finished work is kept" in stderr
    assert "Traceback" not in stderr
    wait_until_alone(process.pid)
    assert not list(out.glob(".*.part.*"))


@pytest.mark.slow
def test_a_cluster_that_runs_already_is_used_and_left_alone(root: Path, tmp_path: Path) -> None:
    with ray_cluster(2, tmp_path) as address:
        process = start(root, tmp_path / "labels", "--ray", address)
        _, stderr = process.communicate(timeout=120)
        assert process.returncode == 0, stderr
        assert contents(tmp_path / "labels") == contents(root / "labels")

        # What a worker refuses comes back as if it were our own.
        done = subprocess.run(
            [sys.executable, "-c", REFUSED, str(root), address], cwd=tmp_path,
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        first, second = done.stdout.splitlines()
        assert first == "--workers: expected at most 2, the cluster's cores, got 3"
        assert "a worker sees other weights" in second


@contextmanager
def ray_cluster(cores: int, folder: Path) -> Iterator[str]:
    """The address of a cluster of one machine, in a session of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (folder / "ray.log").open("w")
    words = ["start", "--head", "--block", f"--port={port}", f"--num-cpus={cores}"]
    words += ["--include-dashboard=false", "--disable-usage-stats"]
    code = "import sys; from ray.scripts.scripts import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words, "--object-store-memory=100000000"],
        cwd=folder, stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip
    try:
        end = time.monotonic() + 60
        while "raylet" not in running(process.pid).values() and time.monotonic() < end:
            assert process.poll() is None, (folder / "ray.log").read_text()
            time.sleep(0.1)
        time.sleep(2.0)  # the raylet has to report its cores
        yield f"127.0.0.1:{port}"
    finally:
        while left := running(process.pid):
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        process.wait()
        log.close()


def test_ray_that_is_not_installed_names_the_extra(root: Path, tmp_path: Path) -> None:
    code = "import sys; sys.modules['ray'] = None\n" + COMMAND
    flags = ["--run", root / "run", "--data", root / "clips", "--cache", root / "cache"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, flags), "--out", str(tmp_path / "a"),
         "--workers", "2"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1
    assert "pip install 'lapa-edge[scale]'" in done.stderr


@pytest.mark.parametrize("address", ["ray://127.0.0.1:10001", "nonsense", "127.0.0.1:"])
def test_an_address_that_is_none_is_refused(root: Path, address: str) -> None:
    with pytest.raises(ConfigError, match=f"expected HOST:PORT or auto, got {address}"):
        check_answers(address)


def test_a_cluster_that_does_not_answer_is_named_at_once() -> None:
    with socket.socket() as bound:  # but not listening
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(ConfigError, match="nothing answers there"):
            check_answers(f"127.0.0.1:{bound.getsockname()[1]}")
