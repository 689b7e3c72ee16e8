"""Work in steps that can be stopped and gone on with: what is done, and from what, is on disk.

    .NAME.export/state.json     by step: the hash of what it was made from, its files' hashes
    .NAME.export/STEP/          its files
    .NAME.export/candidate/     the bundle of all steps so far, for those that need one

A step is done as long as its inputs, the files of the steps before it and its own files are what
they were; anything else redoes it and all that follow. Files appear whole, or not at all.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lapa_edge.errors import ConfigError

Files = dict[str, bytes]
STATE = "state.json"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Step:
    """One step: its name, what it depends on besides the files before it, and the work.

    `make` is given the files of all steps before it by name, and returns its own; a file of the
    same name replaces the earlier one. Later steps cannot do without one that is `needed`.
    """

    name: str
    inputs: Mapping[str, str]
    make: Callable[[Files], Mapping[str, bytes]]
    needed: bool = False


class Done(msgspec.Struct, frozen=True):
    """A finished step: the hash of its inputs, and SHA-256 by file."""

    inputs: str
    files: dict[str, str]


class State(msgspec.Struct, frozen=True):
    """What ``state.json`` holds."""

    steps: dict[str, Done] = {}


class Staging:
    """The folder of a job that is under way, beside the place of its result."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def candidate(self) -> Path:
        """Where the bundle of all steps so far may be put together."""
        return self.root / "candidate"

    def run(self, steps: Sequence[Step], chosen: Collection[str]) -> Files:
        """Do what of `chosen` is not done yet; the files of all finished steps up to the last.

        Raises:
            ConfigError: a step is chosen, and one before it that counts is not done, or was done
                from something else.
        """
        state, files = self._read_state(), Files()
        last = max(i for i, step in enumerate(steps) if step.name in chosen)
        for i, step in enumerate(steps[: last + 1]):
            digest = _digest(step, files)
            made = self._finished(step.name, state.steps.get(step.name), digest)
            if made is None and step.name not in chosen:
                if not step.needed and step.name not in state.steps:
                    continue
                how = "was done from something else" if step.name in state.steps else "is not done"
                raise ConfigError(
                    "--steps", f"{steps[last].name} goes on from {step.name}, which {how}",
                    f"add {step.name}, or give the flags it was done with",
                )  # fmt: skip
            if made is None:
                state = self._forget(state, [later.name for later in steps[i:]])
                logger.info("%s", step.name)
                made = dict(step.make(dict(files)))
                state = self._keep(state, step.name, digest, made)
            elif step.name in chosen:
                logger.info("%s: done already", step.name)
            files |= made
        return files

    def remove(self) -> None:
        """Forget everything: the result is in its place."""
        shutil.rmtree(self.root, ignore_errors=True)

    def _finished(self, name: str, done: Done | None, digest: str) -> Files | None:
        """The files of a step that is done; None for one that is not, or not from this."""
        if done is None or done.inputs != digest:
            return None
        found = {}
        for file, sha256 in done.files.items():
            path = self.root / name / file
            data = path.read_bytes() if path.is_file() else b""
            if hashlib.sha256(data).hexdigest() != sha256:
                logger.warning("%s: %s was altered since; doing it again", name, path)
                return None
            found[file] = data
        return found

    def _keep(self, state: State, name: str, digest: str, files: Files) -> State:
        part = self.root / f"{name}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        for file, data in files.items():
            _write(part / file, data)
        part.rename(self.root / name)
        hashes = {file: hashlib.sha256(data).hexdigest() for file, data in files.items()}
        return self._write_state(State({**state.steps, name: Done(digest, hashes)}))

    def _forget(self, state: State, names: Collection[str]) -> State:
        kept = {name: done for name, done in state.steps.items() if name not in names}
        state = self._write_state(State(kept))  # first: a file without an entry is no step
        for name in names:
            shutil.rmtree(self.root / name, ignore_errors=True)
        return state

    def _read_state(self) -> State:
        path = self.root / STATE
        try:
            return msgspec.json.decode(path.read_bytes(), type=State)
        except FileNotFoundError:
            return State()
        except msgspec.MsgspecError:
            logger.warning("%s is damaged; doing every step again", path)
            return State()

    def _write_state(self, state: State) -> State:
        part = self.root / f"{STATE}.part"
        _write(part, msgspec.json.encode(state))
        part.replace(self.root / STATE)
        return state


def _digest(step: Step, files: Files) -> str:
    """Of everything a step is made from."""
    before = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    told = msgspec.json.encode((step.name, dict(step.inputs), before), order="deterministic")
    return hashlib.sha256(told).hexdigest()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
