"""Steps that go on where they were stopped, and redo what something changed for."""

import errno
from pathlib import Path

import pytest

from lapa_edge.errors import ConfigError
from lapa_edge.export import steps
from lapa_edge.export.steps import STATE, Staging, Step


class Work:
    """Three steps, each of which notes that it was done."""

    def __init__(self, root):
        self.staging, self.done = Staging(root), []

    def run(self, chosen="abc", stop_in="", **inputs):
        def make(name):
            def work(files):
                if name == stop_in:
                    raise KeyboardInterrupt
                self.done.append(name)
                text = inputs.get(name, "") + "".join(sorted(files))
                return {f"{name}/{name}.txt": text.encode()}

            return work

        all_steps = [Step(x, {"in": inputs.get(x, "")}, make(x), needed=x == "a") for x in "abc"]
        self.done = []
        return self.staging.run(all_steps, chosen)


@pytest.fixture
def work(tmp_path):
    return Work(tmp_path / ".out.export")


def test_what_was_finished_before_a_stop_is_not_done_again(work):
    with pytest.raises(KeyboardInterrupt):
        work.run(stop_in="c")
    assert work.done == ["a", "b"]
    assert work.run().keys() == {"a/a.txt", "b/b.txt", "c/c.txt"}
    assert work.done == ["c"]
    work.run()
    assert work.done == []


def test_a_changed_input_redoes_its_step_and_all_that_follow(work):
    work.run()
    work.run(b="other")
    assert work.done == ["b", "c"]
    work.run(a="other", b="other")
    assert work.done == ["a", "b", "c"]


def test_an_altered_truncated_or_missing_file_redoes_its_step_and_what_follows(work):
    work.run()
    file = work.staging.root / "b" / "b" / "b.txt"
    for spoil in (lambda: file.write_text("altered"), lambda: file.write_bytes(b""), file.unlink):
        spoil()
        work.run()
        assert work.done == ["b", "c"]


def test_steps_may_be_done_one_by_one_and_go_on_only_from_what_is_done(work):
    with pytest.raises(ConfigError, match="c goes on from a, which is not done; add a"):
        work.run("c")
    work.run("a")
    work.run("b")
    assert work.done == ["b"]
    with pytest.raises(ConfigError, match="c goes on from b, which was done from something else"):
        work.run("c", b="other")
    assert work.run("c").keys() == {"a/a.txt", "b/b.txt", "c/c.txt"}


def test_a_step_that_nothing_needs_may_be_left_out(work):
    assert work.run("ac").keys() == {"a/a.txt", "c/c.txt"}


@pytest.mark.parametrize("damage", [b"", b"{", b'{"steps": 3}'])
def test_a_damaged_state_does_every_step_again(work, damage):
    work.run()
    (work.staging.root / STATE).write_bytes(damage)
    work.run()
    assert work.done == ["a", "b", "c"]


def test_a_full_disk_leaves_the_step_undone_and_the_others_done(work, monkeypatch):
    write = steps._write

    def full(path: Path, data: bytes) -> None:
        if "c.part" in path.parts:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data[:1])
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path, data)

    monkeypatch.setattr(steps, "_write", full)
    with pytest.raises(OSError, match="No space left"):
        work.run()
    monkeypatch.undo()
    assert work.run()["c/c.txt"]
    assert work.done == ["c"]


def test_nothing_is_left_once_the_result_is_in_its_place(work):
    work.run()
    work.staging.remove()
    assert not work.staging.root.exists()
