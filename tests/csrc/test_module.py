"""The compiled module as a file: what it shows, what it needs, and where its vector code stays.

Read with Debian's binutils. Object files are looked for in ``build/``, where pip and the commands
of CONTRIBUTING.md leave them, and count only if the very module that is imported came from them.
"""

import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lapa_edge import _native

MODULE = Path(_native.__file__)
BUILDS = Path(__file__).resolve().parents[2] / "build"

# Ubuntu 22.04 and newer, so JetPack 6 too.
NEWEST = {"GLIBC": (2, 35), "GLIBCXX": (3, 4, 30), "CXXABI": (1, 3, 13), "GCC": (12,)}
# In every distribution's base system. The dynamic loader is where thread-local storage lives.
LIBRARIES = r"lib(c|m|dl|rt|pthread|gcc_s|stdc\+\+)\.so\.\d+|ld-linux.*\.so\.\d+"

# What an instruction set's object may call: the C library, which chooses for its CPU itself.
C_FUNCTIONS = {"fma", "fmaf", "memcpy", "memmove", "memset", "sqrt", "sqrtf"}
# Instructions beyond the baseline. Every AVX one begins with v and names a vector register.
BEYOND_X86_64 = r"\tv\w+ .*%[xyz]mm|\t(andn|bextr|bzhi|mulx|pdep|pext|rorx|sarx|shlx|shrx)\b"
BEYOND_ARMV8 = r"\t(aes\w+|pmull2?\t.*\.1q|[su]dot|bf\w*dot|[su]mmla|fmlal2?|ptrue|whilelo)\b"

pytestmark = pytest.mark.skipif(
    not shutil.which("readelf"), reason="NO BINUTILS: what the module exports was not checked"
)


@pytest.fixture(autouse=True)
def instruction_set():
    """Once, not once per instruction set: the file is the same."""


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def read_elf(option, path=MODULE):
    return run("readelf", "--wide", option, str(path))


def build_id(path):
    return re.findall(r"Build ID: (\w+)", read_elf("--notes", path))


@pytest.fixture(scope="module")
def objects():
    """Every object file of the imported module."""
    for folder in ("", "*/", "*/*/"):
        for built in BUILDS.glob(folder + MODULE.name):
            if build_id(built) and build_id(built) == build_id(MODULE):
                return list(built.parent.glob("CMakeFiles/*.dir/**/*.o"))
    pytest.skip(f"NO OBJECT FILES: nothing under {BUILDS} was linked into {MODULE}")


def test_the_module_exports_its_entry_alone():
    """Anything else could take the place of another extension's code, or be replaced by it."""
    rows = [line.split() for line in read_elf("--dyn-syms").splitlines()]
    symbols = [row for row in rows if len(row) == 8 and row[0][:-1].isdigit()]
    shown = [row[7] for row in symbols if row[4] != "LOCAL" and row[6] != "UND"]
    assert shown == ["PyInit__native"]


def test_the_module_needs_no_newer_system_than_ubuntu_22_04():
    if tuple(map(int, platform.libc_ver()[1].split("."))) > (2, 36):
        pytest.skip("BUILT ON A NEWER SYSTEM than Debian 12, for which this is not claimed")
    needs = set(re.findall(r"Name: ([A-Z]+)_([\d.]+)", read_elf("--version-info")))
    assert {name for name, _ in needs} >= {"GLIBC", "GLIBCXX"}
    for name, version in needs:
        assert tuple(map(int, version.split("."))) <= NEWEST[name], f"{name}_{version}"


def test_the_module_needs_the_base_system_alone():
    needed = re.findall(r"\(NEEDED\).*\[(.+)\]", read_elf("--dynamic"))
    assert needed
    assert [name for name in needed if not re.fullmatch(LIBRARIES, name)] == []
    assert not re.search(r"\((RPATH|RUNPATH)\)", read_elf("--dynamic"))


def test_no_page_of_the_module_is_both_written_and_run():
    """No executable stack, no code that the loader must patch: hardened systems refuse both."""
    assert "TEXTREL" not in read_elf("--dynamic")
    segments = read_elf("--program-headers")
    assert re.search(r"GNU_STACK .* RW ", segments)
    assert not re.search(r"LOAD .* RWE ", segments)


def test_the_module_imports_without_numpy_or_a_driver():
    """Its build may be for CUDA: then the driver is looked for when a call asks for it."""
    load = (
        "import sys; from importlib.util import module_from_spec, spec_from_file_location as find\n"
        "spec = find('_native', sys.argv[1]); module_from_spec(spec)\n"
        "maps = open('/proc/self/maps').read()\n"
        "assert 'libcuda.so' not in maps and 'numpy' not in sys.modules"
    )
    run(sys.executable, "-I", "-c", load, str(MODULE))


def test_an_instruction_set_shares_nothing_but_its_table(objects):
    """An inline function compiled for AVX-512 could be the copy that the linker keeps for all."""
    targets = [path for path in objects if path.parent.name == "targets"]
    assert len(targets) >= 3  # scalar and two of its architecture
    for path in targets:
        symbols = run("nm", "--extern-only", "--format=posix", str(path)).splitlines()
        kinds = dict(line.split()[:2] for line in symbols)
        called = {symbol for symbol, kind in kinds.items() if kind == "U"}
        assert called <= C_FUNCTIONS | {"_GLOBAL_OFFSET_TABLE_"}, path.name
        shared = " ".join(kinds.keys() - called)
        assert re.fullmatch(r"_ZN9lapa_edge\d+k\w+KernelsE", shared), path.name


def test_code_for_every_cpu_holds_no_newer_instruction(objects):
    arm = "AArch64" in read_elf("--file-header")
    beyond = re.compile(BEYOND_ARMV8 if arm else BEYOND_X86_64)
    found = {"newer": [], "any": []}
    for path in objects:
        lines = run("objdump", "--disassemble", "--no-show-raw-insn", str(path)).splitlines()
        cpus = "newer" if path.name.startswith(("avx2", "avx512", "neon_dotprod")) else "any"
        found[cpus] += [f"{path.name}: {line}" for line in lines if beyond.search(line)]
    assert found["any"] == []
    assert arm or found["newer"]  # the pattern does find them where they belong
