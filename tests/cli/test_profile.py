"""``lapa-profile`` from its flags to its tables and files."""

import json

import pytest
from bundles import write_tiny_bundle

from lapa_edge.cli.command import run_command
from lapa_edge.cli.profile import ProfileFlags, profile_bundle, read_ceiling

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


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--board", "orin"), "one of: agx-orin"),
        (("--graph", "policy.int8"), "has no file 'policy.int8.onnx'"),
        (("--backend", "tensorrt"), "has no engine of policy.onnx"),
        (("--threads", -1), "threads: expected 0 or more, got -1"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_measuring(tmp_path, capsys, flags, words):
    bundle = write_tiny_bundle(tmp_path / "bundle")
    assert run(bundle.root, *BRIEF, *flags) == 1
    assert words in capsys.readouterr().err


def test_the_ceiling_is_that_of_the_graphs_precision_or_says_that_it_is_not_known():
    peaks = [read_ceiling("thor", graph).gflop_s for graph in ("policy", "policy.fp8")]
    assert peaks == [8e3, 517e3]
    assert read_ceiling("thor", "policy.int8").gflop_s is None
    for board, peak in (("orin-nano", 33.4e3), ("orin-nx", 38.4e3)):
        ceiling = read_ceiling(board, "policy.int8")
        assert (ceiling.power_mode, ceiling.gflop_s) == ("MAXN_SUPER", peak)
