"""The bundle on disk: whole, unaltered, replaced in one step."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest
from bundles import tiny_files, tiny_spec, write_tiny_bundle

from lapa_edge import artifact
from lapa_edge.artifact import MANIFEST, SCHEMA_VERSION, extend_bundle, load_bundle, write_bundle
from lapa_edge.errors import BundleError, ConfigError

NAMES = {
    "policy.onnx", "action_head.onnx", "text_encoder.onnx", "tokenizer.json", "weights.safetensors"
}  # fmt: skip


@pytest.fixture
def root(tmp_path):
    """Where a sound bundle lies."""
    return write_tiny_bundle(tmp_path / "tiny").root


def edit_manifest(root, change):
    """Apply `change` to the decoded manifest in place."""
    manifest = json.loads((root / MANIFEST).read_text())
    change(manifest)
    (root / MANIFEST).write_text(json.dumps(manifest))


def test_what_was_written_is_read(root):
    bundle = load_bundle(root)
    assert bundle.spec == tiny_spec()
    assert bundle.manifest.provenance["made_by"] == "tests/bundles.py"
    assert set(bundle.manifest.files) == NAMES
    for name, data in tiny_files(tiny_spec()).items():
        assert bundle.path(name).read_bytes() == data


@pytest.mark.parametrize("name", sorted(NAMES))
def test_one_changed_byte_is_noticed(root, name):
    data = bytearray((root / name).read_bytes())
    data[len(data) // 2] ^= 1
    (root / name).write_bytes(data)
    with pytest.raises(BundleError, match=f"{name}: expected sha256 .* it was altered"):
        load_bundle(root)


def test_a_cut_file_is_noticed(root):
    data = (root / "policy.onnx").read_bytes()
    (root / "policy.onnx").write_bytes(data[:-1])
    with pytest.raises(BundleError, match=rf"expected {len(data)} bytes, got {len(data) - 1}"):
        load_bundle(root)


def test_a_missing_file_is_named(root):
    (root / "tokenizer.json").unlink()
    with pytest.raises(BundleError, match=r"tokenizer\.json is missing"):
        load_bundle(root)


def test_a_newer_schema_is_named_and_not_called_damage(root):
    def from_the_future(manifest):
        manifest["schema_version"] = SCHEMA_VERSION + 1
        manifest["files"] = "described in another way"

    edit_manifest(root, from_the_future)
    with pytest.raises(BundleError, match=r"schema 4 is newer than 3.*upgrade lapa-edge"):
        load_bundle(root)


def test_a_bundle_of_the_first_schema_reads_as_it_always_did(root):
    def make_older(manifest):
        manifest["schema_version"] = 1
        for part, newer in (
            (manifest["spec"], ("cameras", "policy_state", "head_inputs")),
            (manifest["spec"]["action"], ("kinds", "hold", "decoding", "bins", "flow_steps")),
            (manifest["spec"]["timing"], ("blend_s",)),
        ):
            for name in newer:
                del part[name]

    edit_manifest(root, make_older)
    bundle = load_bundle(root)
    assert bundle.spec == tiny_spec()
    assert bundle.spec.head_inputs[3:] == ("last_action", "latent_age")
    assert bundle.spec.timing.blend_s == 0


def test_an_older_reader_calls_a_new_bundle_newer(root, monkeypatch):
    monkeypatch.setattr(artifact, "SCHEMA_VERSION", 1)
    with pytest.raises(BundleError, match=r"schema 3 is newer than 1.*upgrade lapa-edge"):
        load_bundle(root)


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"schema_version": 1}', b'{"schema_version": "1"}', b"\xff\xfe"]
)
def test_a_damaged_manifest_is_told_in_one_line(root, damage):
    (root / MANIFEST).write_bytes(damage)
    with pytest.raises(BundleError, match=r"manifest\.json is damaged") as caught:
        load_bundle(root)
    assert "\n" not in str(caught.value)


def test_an_unknown_field_is_damage(root):
    edit_manifest(root, lambda manifest: manifest.update(surprise=1))
    with pytest.raises(BundleError, match=r"damaged.*surprise"):
        load_bundle(root)


def test_an_inconsistent_spec_is_refused(root):
    edit_manifest(root, lambda manifest: manifest["spec"]["action"].update(stop=[0.0]))
    with pytest.raises(BundleError, match=r"action\.stop: expected 2 values, got 1"):
        load_bundle(root)


UNSAFE = ["../evil", "/etc/passwd", "a/../../b", MANIFEST, f"./{MANIFEST}", "a//b", "", ".", "a/"]


@pytest.mark.parametrize("name", UNSAFE)
def test_an_unsafe_name_is_neither_read_nor_written(root, tmp_path, name):
    entry = {"bytes": 0, "sha256": "0" * 64}
    edit_manifest(root, lambda manifest: manifest["files"].update({name: entry}))
    with pytest.raises(BundleError, match="unsafe file name"):
        load_bundle(root)
    with pytest.raises(BundleError, match="unsafe file name"):
        write_bundle(tmp_path / "new", tiny_spec(), {name: b""}, {})
    assert not (tmp_path / "new").exists()


def test_a_place_without_a_bundle_is_said_to_be_none(tmp_path):
    with pytest.raises(BundleError, match=r"no readable manifest\.json"):
        load_bundle(tmp_path)
    with pytest.raises(BundleError, match=r"no readable manifest\.json"):
        load_bundle(tmp_path / "nowhere")


def test_a_directory_of_something_else_is_not_replaced(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(BundleError, match="exists and is not a bundle"):
        write_tiny_bundle(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_bad_spec_writes_nothing(tmp_path):
    with pytest.raises(ConfigError, match=r"action\.chunk"):
        write_bundle(tmp_path / "new", tiny_spec(chunk=0), {}, {})
    assert not list(tmp_path.iterdir())


def test_replacing_leaves_only_the_new_bundle(root):
    write_bundle(root, tiny_spec(), {"only.txt": b"new"}, {})
    assert {path.name for path in root.iterdir()} == {MANIFEST, "only.txt"}
    assert [path.name for path in root.parent.iterdir()] == [root.name]
    load_bundle(root)


def test_a_failed_write_leaves_the_old_bundle(root, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BundleError, match=r"could not be written \(No space left on device\)"):
        write_bundle(root, tiny_spec(), {"only.txt": b"new"}, {})
    assert set(load_bundle(root).manifest.files) == NAMES
    assert [path.name for path in root.parent.iterdir()] == [root.name]


@pytest.mark.parametrize("last_file", [1, 3])
def test_a_kill_in_the_middle_leaves_the_old_bundle(root, last_file):
    """The writer dies, as by a power cut, after it has synced so many of its four files."""
    writer = f"""
        import os, signal
        from pathlib import Path
        from lapa_edge.artifact import extend_bundle, load_bundle, write_bundle
        bundle, synced, sync = load_bundle(Path({str(root)!r})), [], os.fsync
        def die(descriptor):
            sync(descriptor)
            synced.append(descriptor)
            if len(synced) == {last_file}:
                os.kill(os.getpid(), signal.SIGKILL)
        os.fsync = die
        write_bundle(bundle.root, bundle.spec, {{"a": b"1", "b": b"2", "c": b"3"}}, {{}})
    """
    command = [sys.executable, "-c", textwrap.dedent(writer)]
    died = subprocess.run(command, cwd=root.parent, check=False)
    assert died.returncode == -signal.SIGKILL
    assert set(load_bundle(root).manifest.files) == NAMES


def test_a_failed_swap_puts_the_old_bundle_back(root, monkeypatch):
    rename = type(root).rename

    def refuse_the_new(self, target):
        if target == root and (self / "only.txt").exists():
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(type(root), "rename", refuse_the_new)
    with pytest.raises(BundleError, match="Input/output error"):
        write_bundle(root, tiny_spec(), {"only.txt": b"new"}, {})
    assert set(load_bundle(root).manifest.files) == NAMES


def test_extending_adds_replaces_and_keeps(root):
    bundle = load_bundle(root)
    extended = extend_bundle(
        bundle, {"engines/orin/policy.engine": b"engine", "tokenizer.json": b"{}"}, {"built": "yes"}
    )
    assert extended == load_bundle(root)
    assert set(extended.manifest.files) == NAMES | {"engines/orin/policy.engine"}
    assert extended.path("tokenizer.json").read_bytes() == b"{}"
    assert extended.path("policy.onnx").read_bytes() == tiny_files(tiny_spec())["policy.onnx"]
    assert extended.manifest.provenance["built"] == "yes"
    assert extended.manifest.provenance["made_by"] == "tests/bundles.py"


def test_an_altered_bundle_is_not_extended(root):
    bundle = load_bundle(root)
    (root / "policy.onnx").write_bytes(b"altered")
    with pytest.raises(BundleError, match=r"policy\.onnx"):
        extend_bundle(bundle, {"new.txt": b""})


def test_only_files_of_the_manifest_have_a_path(root):
    (root / "stray.bin").write_bytes(b"")
    with pytest.raises(BundleError, match=r"has no file 'stray\.bin'"):
        load_bundle(root).path("stray.bin")
