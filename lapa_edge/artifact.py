"""The bundle: the directory that leaves the trainer and enters the robot.

``manifest.json`` carries the spec and the SHA-256 of every other file. A bundle is written beside
its final place and renamed into it, so a reader never sees half of one; it is verified whole
before anything in it is used. No file in it is a pickle.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import msgspec

from lapa_edge.errors import BundleError, ConfigError
from lapa_edge.spec import PolicySpec, check_spec

# 2: how actions stop and are decoded, cameras, parts of the head's input. 3: how a latent takes
# over. An older bundle has none of it, and reads as it always did.
SCHEMA_VERSION = 3
MANIFEST = "manifest.json"


class FileEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Size in bytes and SHA-256 (hex) of one file of the bundle."""

    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``manifest.json`` holds. ``provenance`` says where the weights came from."""

    schema_version: int = SCHEMA_VERSION
    spec: PolicySpec
    files: dict[str, FileEntry]
    provenance: dict[str, str]


class Bundle(msgspec.Struct, frozen=True):
    """A verified bundle on disk."""

    root: Path
    manifest: Manifest

    @property
    def spec(self) -> PolicySpec:
        """The manifest's spec."""
        return self.manifest.spec

    def path(self, name: str) -> Path:
        """The path of a file named in the manifest; `BundleError` for any other name."""
        if name not in self.manifest.files:
            listed = ", ".join(sorted(self.manifest.files))
            raise BundleError(f"bundle {self.root}", f"has no file {name!r} (it has {listed})")
        return self.root / name


def write_bundle(
    root: Path, spec: PolicySpec, files: Mapping[str, bytes], provenance: Mapping[str, str]
) -> Bundle:
    """Write a new bundle, or replace the one at `root`, in one rename.

    Args:
        root: the bundle's directory; its parent is made where missing.
        spec: checked before anything is written.
        files: relative POSIX path to contents.
        provenance: free words about where the weights came from.

    Raises:
        BundleError: when `root` exists and is no bundle, or the disk refuses.
    """
    check_spec(spec)
    if root.exists() and not (root / MANIFEST).is_file():
        raise BundleError(f"bundle {root}", "exists and is not a bundle", "choose another place")
    entries = {
        _checked_name(root, name): FileEntry(
            bytes=len(data), sha256=hashlib.sha256(data).hexdigest()
        )
        for name, data in files.items()
    }
    manifest = Manifest(spec=spec, files=entries, provenance=dict(provenance))
    root.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{root.name}.", dir=root.parent))
    try:
        for name, data in files.items():
            _write_synced(staging / name, data)
        _write_synced(staging / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
        staging.chmod(0o755)
        swap_directory(staging, root)
    except OSError as error:
        fix = "free some space" if error.errno == errno.ENOSPC else ""
        problem = f"could not be written ({error.strerror})"
        raise BundleError(f"bundle {root}", problem, fix) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Bundle(root, manifest)


def extend_bundle(
    bundle: Bundle, files: Mapping[str, bytes], provenance: Mapping[str, str] | None = None
) -> Bundle:
    """The same bundle with some files added or replaced, verified first, swapped in whole."""
    current = load_bundle(bundle.root)
    kept = {name: current.path(name).read_bytes() for name in current.manifest.files}
    words = {**current.manifest.provenance, **(provenance or {})}
    return write_bundle(bundle.root, current.spec, {**kept, **files}, words)


def load_bundle(root: Path) -> Bundle:
    """Read and verify the bundle at `root`.

    Raises:
        BundleError: not a bundle, a newer schema, a missing, altered or unsafe file.
    """
    manifest = read_manifest(root)
    for name, entry in manifest.files.items():
        check_file(root, _checked_name(root, name), entry)
    try:
        check_spec(manifest.spec)
    except ConfigError as error:
        raise BundleError(f"bundle {root}", f"its spec is inconsistent: {error}") from error
    return Bundle(root, manifest)


def read_manifest(root: Path) -> Manifest:
    thing = f"bundle {root}"
    path = root / MANIFEST
    try:
        raw = path.read_bytes()
    except OSError as error:
        fix = "write it again with lapa-export"
        raise BundleError(thing, f"no readable {MANIFEST} ({error.strerror})", fix) from error
    try:
        # The version is read alone first: a newer schema must be named, not reported as damage.
        version = msgspec.json.decode(raw, type=_Versioned).schema_version
        if version > SCHEMA_VERSION:
            raise BundleError(
                thing,
                f"schema {version} is newer than {SCHEMA_VERSION}, the newest this version reads",
                "upgrade lapa-edge",
            )
        return msgspec.json.decode(raw, type=Manifest)
    except msgspec.MsgspecError as error:
        raise BundleError(thing, f"{MANIFEST} is damaged: {error}", "copy it again") from error


class _Versioned(msgspec.Struct):
    schema_version: int


def check_file(root: Path, name: str, entry: FileEntry) -> None:
    path = root / name
    if not path.is_file():
        raise BundleError(f"bundle {root}", f"{name} is missing", "copy the bundle again")
    size = path.stat().st_size
    if size != entry.bytes:
        raise BundleError(
            f"bundle {root}", f"{name}: expected {entry.bytes} bytes, got {size}", "copy it again"
        )
    with path.open("rb") as file:
        digest = _sha256(file)
    if digest != entry.sha256:
        raise BundleError(
            f"bundle {root}",
            f"{name}: expected sha256 {entry.sha256[:12]}, got {digest[:12]}",
            "it was altered after it was written; copy it again",
        )


def _sha256(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()


def _checked_name(root: Path, name: str) -> str:
    parts = PurePosixPath(name)
    odd = str(parts) != name  # "./manifest.json", "a//b": two names for one file
    if parts.is_absolute() or ".." in parts.parts or name in (MANIFEST, ".", "") or odd:
        raise BundleError(f"bundle {root}", f"unsafe file name {name!r} in its manifest")
    return name


def _write_synced(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def swap_directory(staging: Path, root: Path) -> None:
    """Put `staging` in the place of `root`; what was there is moved aside first."""
    if not root.exists():
        staging.rename(root)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{root.name}.old.", dir=root.parent))
    root.rename(old / root.name)
    try:
        staging.rename(root)
    except OSError:
        (old / root.name).rename(root)
        old.rmdir()
        raise
    shutil.rmtree(old)
