"""How a command ends: one line and an exit status, never a traceback for a user's mistake."""

import errno
import logging
from dataclasses import dataclass

import pytest

from lapa_edge.cli.command import REFUSED, STOPPED, explain, run_command
from lapa_edge.errors import DataError


@dataclass(frozen=True)
class Flags:
    """Flags of the command under test."""

    speed_hz: float = 1.0
    """Rate of something, Hz."""


def run(function, *arguments):
    return run_command(function, Flags, "lapa-test", "A command.", arguments)


def raising(error):
    def function(flags):
        raise error

    return function


def test_a_command_that_works_gets_its_flags_and_exits_0():
    seen = []
    assert run(seen.append, "--speed-hz", "2.5") == 0
    assert seen == [Flags(2.5)]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (DataError("clip a", "is empty", "remove it"), "clip a: is empty; remove it"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/runs/x"),
            "/runs/x: no space left on the device; free some space, or choose another place with "
            "--out; finished work is kept",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "/srv/x"),
            "/srv/x: Permission denied",
        ),
        (
            ModuleNotFoundError("No module named 'torch'", name="torch"),
            "torch is not installed; pip install 'lapa-edge[train]'",
        ),
        (
            ModuleNotFoundError("No module named 'av.video'", name="av.video"),
            "av is not installed; pip install 'lapa-edge[train]'",
        ),
        (
            ModuleNotFoundError("No module named 'onnxscript'", name="onnxscript"),
            "onnxscript is not installed; pip install 'lapa-edge[export]'",
        ),
    ],
)
def test_a_users_mistake_is_one_line_on_stderr_and_exit_1(capsys, error, line):
    assert run(raising(error)) == REFUSED
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"lapa-test: error: {line}\n"


def test_missing_native_kernels_say_how_to_build_them():
    error = ImportError("cannot import name '_native' from 'lapa_edge'", name="lapa_edge")
    assert "pip install ." in explain(error)


@pytest.mark.parametrize(
    "bug", [ImportError("no name", name="lapa_edge.spec"), OSError(errno.EIO, "?"), KeyError("x")]
)
def test_a_bug_of_ours_keeps_its_traceback(bug):
    with pytest.raises(type(bug)):
        run(raising(bug))


def test_ctrl_c_is_one_line_and_exit_130(capsys):
    assert run(raising(KeyboardInterrupt())) == STOPPED == 130
    assert capsys.readouterr().err == "stopped; finished work is kept, run the same command again\n"


def test_help_shows_each_flag_with_its_default_and_exits_0(capsys):
    with pytest.raises(SystemExit) as caught:
        run(raising(AssertionError), "--help")
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert "--speed-hz" in out and "Rate of something, Hz." in out and "default: 1.0" in out


def test_an_unknown_flag_exits_2(capsys):
    with pytest.raises(SystemExit) as caught:
        run(raising(AssertionError), "--sped", "1")
    assert caught.value.code == 2


def test_our_log_lines_go_to_stderr_once_however_often_commands_run(capsys):
    def function(flags):
        logging.getLogger("lapa_edge.test").info("measured %d rounds", 7)

    run(function)
    capsys.readouterr()
    run(function)
    captured = capsys.readouterr()
    assert captured.err.count("measured 7 rounds") == 1
    assert captured.out == ""
