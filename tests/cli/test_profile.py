"""``lapa-profile`` from its flags to its table and file."""

import json

import pytest
from bundles import write_tiny_bundle

from lapa_edge.cli.command import run_command
from lapa_edge.cli.profile import ProfileFlags, profile


def run(*arguments):
    return run_command(profile, ProfileFlags, "lapa-profile", "", [str(x) for x in arguments])


def test_the_table_and_the_file_hold_every_part_and_the_machine(tmp_path, capsys):
    bundle = write_tiny_bundle(tmp_path / "bundle")
    file = tmp_path / "latency.json"
    assert run(bundle.root, "--repeats", 5, "--warm-up", 1, "--json", file) == 0
    out = capsys.readouterr().out
    for words in (
        "policy graph",
        "action head, native",
        "p99",
        "cores",
        "onnxruntime",
        "of its period",
    ):
        assert words in out
    record = json.loads(file.read_text())
    assert record["latency"]["act"].keys() == {"p50_ms", "p95_ms", "p99_ms", "max_ms", "repeats"}
    assert record["machine"]["cores"] >= 1
    assert record["camera"] == [480, 640]


@pytest.mark.parametrize("pace", [(), ("--paced",)])
def test_the_title_says_how_the_rounds_were_spaced(tmp_path, capsys, pace):
    bundle = write_tiny_bundle(tmp_path / "bundle", control_hz=500.0)
    assert run(bundle.root, "--repeats", 2, "--warm-up", 0, *pace) == 0
    assert ("at 500 Hz" if pace else "back to back") in capsys.readouterr().out


def test_something_that_is_no_bundle_exits_1_in_one_line(tmp_path, capsys):
    assert run(tmp_path) == 1
    err = capsys.readouterr().err
    assert err.startswith("lapa-profile: error: bundle ") and err.count("\n") == 1
