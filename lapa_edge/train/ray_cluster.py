"""Ray on this machine or on others, for as long as it is needed and without its noise.

No dashboard, no usage statistics, no log lines of workers; what goes wrong is raised.
"""

from __future__ import annotations

import importlib
import io
import logging
import os
import secrets
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from functools import cache
from typing import Any

from lapa_edge.errors import ConfigError, LapaError, MissingDependencyError
from lapa_edge.train.interrupts import interrupts_held

log = logging.getLogger(__name__)

OBJECT_STORE_BYTES = 100_000_000  # small things alone pass through it; Ray wants 75 MiB
CONNECT_S = 5.0


@contextmanager
def ray_cluster(workers: int, address: str) -> Iterator[Any]:
    """The module ``ray``, with a cluster that is left again at the end, also after Ctrl-C.

    Args:
        workers: cores it must have.
        address: ``HOST:PORT`` of a running cluster, or ``auto``; empty starts one on this machine
            that no other process can use, and ends it.

    Raises:
        ConfigError: no such cluster, or it has fewer cores.
        MissingDependencyError: Ray is not installed.
        LapaError: Ray does not start here.
    """
    # Ray reads these when it is imported. It listens on every interface, hence the token.
    own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": _token()}
    quiet = {"RAY_BACKEND_LOG_LEVEL": "fatal", "RAY_USAGE_STATS_ENABLED": "0"}
    environment = quiet if address or "ray" in sys.modules else {**quiet, **own}
    with _environment(environment), redirect_stdout(_Notices()):
        ray = _import_ray()
        try:
            # Half a cluster cannot be ended in order.
            with interrupts_held() as interrupted, _without_stderr():
                _start(ray, workers, address)
            if interrupted():
                raise KeyboardInterrupt
            cores = int(ray.cluster_resources().get("CPU", 0))
            if cores < workers:
                raise ConfigError(
                    "--workers", f"expected at most {cores}, the cluster's cores, got {workers}"
                )
            context = ray.data.DataContext.get_current()
            context.enable_progress_bars = False
            context.print_on_execution_start = False
            yield ray
        finally:
            ray.shutdown()


def _import_ray() -> Any:
    try:
        ray = importlib.import_module("ray")
        importlib.import_module("ray.data")
    except ImportError as error:
        raise MissingDependencyError(
            "ray", f"is not installed ({error})", "pip install 'lapa-edge[scale]'"
        ) from error
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    return ray


def _start(ray: Any, workers: int, address: str) -> None:
    """Connect to a cluster, or start one on this machine."""
    if address not in ("", "auto"):
        check_answers(address)
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if not address:
        options |= {
            "num_cpus": workers,
            "object_store_memory": OBJECT_STORE_BYTES,
            "include_dashboard": False,
        }
    try:
        ray.init(address=address or "local", **options)
    except (RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
        problem = last_line(error)
        if address:
            raise ConfigError(f"--ray {address}", f"no cluster to work on ({problem})") from error
        fix = "label without Ray: --workers 1"
        raise LapaError("Ray", f"does not start on this machine ({problem})", fix) from error


def check_answers(address: str) -> None:
    """Raise ConfigError unless something listens there: Ray would try for many minutes."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        raise ConfigError("--ray", f"expected HOST:PORT or auto, got {address}")
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(f"--ray {address}", f"nothing answers there ({error})") from error


def last_line(error: BaseException) -> str:
    """What is left of a traceback in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else repr(error)


@cache
def _token() -> str:
    # Ray reads it once per process.
    return secrets.token_hex(32)


class _Notices(io.TextIOBase):
    """What Ray prints on stdout: of it, only that a worker died, which Ray then starts anew."""

    def write(self, text: str, /) -> int:
        if "worker died" in text or "memory pressure" in text:
            log.warning("a worker died (killed, or out of memory?); Ray starts another")
        return len(text)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Ray's core greets on it, whatever its log level; what goes wrong is raised as well."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
