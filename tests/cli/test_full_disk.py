"""``lapa-export`` on a disk that is really full: a small file system of this test's own."""

import subprocess
import sys
from pathlib import Path

import pytest
from agents import write_tiny_run

EXPORT = "import sys; from lapa_edge.cli.export import main; sys.exit(main())"
# In a mount namespace of its own, so that nothing is left behind whatever happens.
SCRIPT = """
mount -t tmpfs -o size=4m tmpfs "$DISK" || exit 99
head -c 3900000 /dev/zero > "$DISK/others"
"$@" && exit 98
[ -e "$DISK/bundle" ] && exit 97
rm "$DISK/others"
exec "$@"
"""


def test_an_export_onto_a_full_disk_publishes_nothing_and_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    run, disk = write_tiny_run(tmp_path / "run").root, tmp_path / "disk"
    disk.mkdir()
    export = [sys.executable, "-c", EXPORT, str(run), "--out", str(disk / "bundle")]
    namespace = ["unshare", "--map-root-user", "--mount", "env", f"DISK={disk}"]
    try:
        done = subprocess.run(
            [*namespace, "sh", "-c", SCRIPT, "sh", *export, "--observations", "2"],
            check=False, capture_output=True, text=True, timeout=300, cwd=tmp_path,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("NO FULL DISK: no unshare(1) to mount one with; nothing was checked")
    if done.returncode == 99 or done.stderr.startswith("unshare:"):
        pytest.skip(f"NO FULL DISK: {done.stderr.strip()}; nothing was checked")
    assert done.returncode == 0, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("lapa-export: error")]
    assert len(errors) == 1
    assert "No space left on device); free some space" in errors[0]
    assert "Traceback" not in done.stderr
    assert "parity passed" in done.stderr
