"""The one family of errors a user may meet.

Every message names the thing, what was expected, what came, and what to do. Commands print it
as a single line and exit with status 1; anything else that escapes is a bug of ours.
"""

from __future__ import annotations


class LapaError(Exception):
    """A mistake or a missing thing outside this package, told in one line.

    Args:
        thing: what is at fault, for instance ``video clips/a.mp4`` or ``--task``.
        problem: what was expected and what came.
        fix: what the user can do about it; omitted where the problem says it.
    """

    def __init__(self, thing: str, problem: str, fix: str = "") -> None:
        # All three stay in `args`, so that the error survives the way back from a worker process.
        super().__init__(thing, problem, fix)

    def __str__(self) -> str:
        thing, problem, fix = self.args
        return f"{thing}: {problem}" + (f"; {fix}" if fix else "")


class DataError(LapaError):
    """A video, instruction file or demonstration that cannot be used."""


class ConfigError(LapaError):
    """A flag or setting outside its range, or two that do not go together."""


class BundleError(LapaError):
    """A bundle that is incomplete, altered, or from a newer version."""


class RuntimeInputError(LapaError):
    """An observation whose shape, dtype or values the runtime refuses."""


class MissingDependencyError(LapaError):
    """An optional package or system library that a command needs."""
