"""``lapa-doctor``: what is installed, what this machine is, what is wrong with a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from lapa_edge.cli.command import run_command

if TYPE_CHECKING:
    from lapa_edge.doctor.finding import Finding
    from lapa_edge.runtime.backends.sidecar import Host

DESCRIPTION = """Say what is installed, what the GPU is, which targets would build, what is wrong.

Every FAIL comes with what to do about it. Ends with 1 where anything failed, else with 0."""

_COLOURS = {"ok": "green", "info": "blue", "warn": "yellow", "fail": "bold red"}


@dataclass(frozen=True)
class DoctorFlags:
    """Flags of lapa-doctor."""

    bundle: Annotated[Path | None, tyro.conf.Positional] = None
    """A bundle to look into as well."""
    json: bool = False
    """Print the findings as JSON, for programs."""


def main() -> int:
    """Entry point."""
    return run_command(doctor, DoctorFlags, "lapa-doctor", DESCRIPTION)


def doctor(flags: DoctorFlags) -> None:
    """Look at everything, print what was found; `LapaError` where anything failed."""
    from lapa_edge.errors import LapaError

    findings = examine(flags.bundle)
    if flags.json:
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(findings)).decode())
    else:
        _print(findings)
    if failed := sum(finding.status == "fail" for finding in findings):
        raise LapaError("this machine", f"{failed} of {len(findings)} checks failed", "see above")


def examine(bundle: Path | None) -> list[Finding]:
    """Every check; those that cannot begin because something is not installed say so."""
    from lapa_edge.doctor.finding import Finding
    from lapa_edge.doctor.installed import check_installed
    from lapa_edge.doctor.machine import check_machine
    from lapa_edge.doctor.targets import check_targets

    findings = check_installed() + check_machine() + check_targets()
    if bundle is None:
        return findings
    try:
        from lapa_edge.doctor.bundle import check_bundle
    except ImportError as error:  # named above already, as a failure of what is installed
        remedy = "mend what is installed first"
        return [
            *findings,
            Finding(
                section="bundle",
                name=str(bundle),
                status="fail",
                found=f"cannot be looked into: {error}",
                remedy=remedy,
            ),
        ]
    return findings + check_bundle(bundle, _host())


def _host() -> Host | None:
    from lapa_edge.errors import LapaError
    from lapa_edge.runtime.backends.sidecar import this_host

    try:
        return this_host()
    except LapaError:
        return None


def _print(findings: Sequence[Finding]) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console()
    section = ""
    for finding in findings:
        if finding.section != section:
            section = finding.section
            console.print(f"\n[bold]{section}[/bold]", highlight=False)
        colour = _COLOURS[finding.status]
        console.print(
            f"  [{colour}]{finding.status.upper():<4}[/{colour}] "
            f"{escape(finding.name)}: {escape(finding.found)}",
            highlight=False,
            soft_wrap=True,
        )
        if finding.remedy:
            console.print(f"       -> {escape(finding.remedy)}", highlight=False, soft_wrap=True)
