"""``lapa-profile`` from its flags to its tables and files."""

import json

import pytest
from bundles import write_tiny_bundle

from lapa_edge.cli.command import run_command
from lapa_edge.cli.profile import ProfileFlags, check_writable, profile_bundle, read_ceiling
from lapa_edge.runtime.profile import profiling

BRIEF = ("--repeats", 3, "--warm-up", 1, "--noise-repeats", 2, "--layer-runs", 1, "--paced-s", 0.02)


def run(*arguments):
    return run_command(
        profile_bundle, ProfileFlags, "lapa-profile", "", [str(x) for x in arguments]
    )


def test_the_console_and_the_files_hold_every_part_and_the_machine(tmp_path, capsys):
    bundle = write_tiny_bundle(tmp_path / "bundle")
    file, page = tmp_path / "latency.json", tmp_path / "latency.html"
    flags = ("--board", "orin-nano", "--rates-hz", 100, 200, "--json", file, "--html", page)
    assert run(bundle.root, *BRIEF, *flags) == 0
    out = capsys.readouterr().out
    for words in (
        "policy on the CPU",
        "head, native f32",
        "p99.9",
        "the policy runs on the CPU",
        "control tick",
        "200 Hz",
        "cold start",
        "noise floor",
        "roofline of Jetson Orin Nano",
        "(its recipe, fp32)",
        "ms to compute",
        "of the GPU's not measured",
        "governor",
        "cores",
        "onnxruntime",
    ):
        assert words in out, words
    record = json.loads(file.read_text())
    assert record["latency"]["total"]["repeats"] == 3
    assert record["choice"]["camera"] == [480, 640]
    assert page.read_text().startswith("<!doctype html>")


def test_something_that_is_no_bundle_exits_1_in_one_line(tmp_path, capsys):
    assert run(tmp_path) == 1
    err = capsys.readouterr().err
    assert err.splitlines()[-1].startswith("lapa-profile: error: bundle ")


@pytest.fixture
def unmeasured(monkeypatch):
    """A function that makes another of `profiling` fail the test that reaches it."""

    def forbid(name):
        def reached(*arguments):
            pytest.fail(f"{name} was reached")

        monkeypatch.setattr(profiling, name, reached)

    return forbid


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--graph", "policy.int8"), "has no file 'policy.int8.onnx'"),
        (("--backend", "tensorrt"), "has no engine of policy.onnx"),
    ],
)
def test_what_the_bundle_lacks_is_refused_before_measuring(
    tmp_path, capsys, unmeasured, flags, words
):
    unmeasured("_measure_latency")
    bundle = write_tiny_bundle(tmp_path / "bundle")
    assert run(bundle.root, *BRIEF, *flags) == 1
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--board", "orin"), "one of: agx-orin"),
        (("--threads", -1), "--threads: expected 0 to 1024, got -1"),
        (("--threads", 1025), "--threads: expected 0 to 1024, got 1025"),
        (("--seed", -1), "--seed: expected 0 or more, got -1"),
        (("--repeats", 0), "--repeats: expected 1 or more, got 0"),
        (("--warm-up", -1), "--warm-up: expected 0 or more, got -1"),
        (("--noise-repeats", -1), "--noise-repeats: expected 0 or more, got -1"),
        (("--layer-runs", -1), "--layer-runs: expected 0 or more, got -1"),
        (("--top-layers", -1), "--top-layers: expected 0 or more, got -1"),
        (("--paced-s", -0.1), "--paced-s: expected seconds, 0 or more, got -0.1"),
        (("--paced-s", "nan"), "--paced-s: expected seconds, 0 or more, got nan"),
        (("--paced-s", "inf"), "--paced-s: expected seconds, 0 or more, got inf"),
        (("--rates-hz", 100, 0), "--rates-hz: expected rates above 0, got 0"),
        (("--rates-hz", "nan"), "--rates-hz: expected rates above 0, got nan"),
        (("--rates-hz", "inf"), "--rates-hz: expected rates above 0, got inf"),
        (("--rates-hz", -30), "--rates-hz: expected rates above 0, got -30"),
    ],
)
def test_a_flag_outside_its_range_is_refused_before_the_bundle_is_opened(
    tmp_path, capsys, unmeasured, flags, words
):
    unmeasured("profile")
    assert run(tmp_path, *flags) == 1
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--json", "--html"])
@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("nowhere/latency", "No such file or directory"),
        ("kept/latency", "Not a directory"),
        ("folder", "Is a directory"),
        ("/sys/latency", ""),  # denied, or on a read-only file system
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_the_bundle_is_opened(
    tmp_path, capsys, unmeasured, flag, place, why
):
    unmeasured("profile")
    (tmp_path / "kept").write_text("of before")
    (tmp_path / "folder").mkdir()
    assert run(tmp_path, flag, tmp_path / place) == 1
    said = f"{flag}: expected a file that can be written, got {tmp_path / place} ({why}"
    assert said in capsys.readouterr().err


def test_asking_whether_a_file_can_be_written_leaves_everything_as_it_was(tmp_path):
    new, kept, link = (tmp_path / name for name in ("new", "kept", "link"))
    kept.write_text("of before")
    link.symlink_to(tmp_path / "later")
    for file in (new, kept, link):
        check_writable("--json", file)
    assert not new.exists() and kept.read_text() == "of before" and link.is_symlink()


def test_the_ceiling_is_that_of_the_graphs_precision_or_says_that_it_is_not_known():
    peaks = [read_ceiling("thor", graph).gflop_s for graph in ("policy", "policy.fp8")]
    assert peaks == [8e3, 517e3]
    assert read_ceiling("thor", "policy.int8").gflop_s is None
    for board, peak in (("orin-nano", 33.4e3), ("orin-nx", 38.4e3)):
        ceiling = read_ceiling(board, "policy.int8")
        assert (ceiling.power_mode, ceiling.gflop_s) == ("MAXN_SUPER", peak)
