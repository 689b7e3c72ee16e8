"""``report.json`` for programs, and one page for people that needs neither network nor script."""

from __future__ import annotations

import base64
import html
from pathlib import Path

import msgspec

from lapa_edge.data.files import replacing
from lapa_edge.evaluate.latents import charts, figures, sections
from lapa_edge.evaluate.latents.study import Study


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where the numbers come from."""

    run: str
    data: str
    split: str
    model_sha256: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What ``report.json`` holds; a bound that cannot be computed is null."""

    source: Source
    study: Study
    figures: tuple[str, ...]


SECTIONS = (
    sections.summary,
    sections.codes,
    sections.arrows,
    sections.probe,
    sections.fidelity,
    sections.transfer,
    sections.usage,
    sections.method,
)


def write_report(study: Study, source: Source, drawn: frozenset[str], folder: Path) -> Path:
    """Write both files beside the figures that were `drawn`; returns the page's path."""
    report = Report(source=source, study=study, figures=tuple(sorted(drawn)))
    with replacing(folder / "report.json") as partial:
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    page = folder / "report.html"
    with replacing(page) as partial:
        partial.write_text(_page(study, source, drawn, folder), encoding="utf-8")
    return page


def _page(study: Study, source: Source, drawn: frozenset[str], folder: Path) -> str:
    def figure(name: str, caption: str) -> str:
        if name not in drawn:
            return ""
        raw = (folder / name).read_bytes()
        data = base64.b64encode(raw).decode()
        width = int.from_bytes(raw[16:20], "big")  # of a PNG, pixels
        if name in figures.CHARTS:
            width = round(width / charts.SHARPNESS)
        words = html.escape(caption, quote=True)
        return (
            f"<figure><img alt='{words}' width='{width}' src='data:image/png;base64,{data}'>"
            f"<figcaption>{words}</figcaption></figure>"
        )

    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width'>",
        f"<title>Latent actions of {html.escape(Path(source.run).name)}</title>",
        f"<style>{_STYLE}</style><main>",
        "<h1>Latent actions, judged before a robot has moved</h1>",
        _header(study, source),
    ]
    for section in SECTIONS:
        parts += section(study, figure)
    return "\n".join([part for part in parts if part] + ["</main></html>"])


def _header(study: Study, source: Source) -> str:
    latent = study.latent
    codes = "code" if latent.n == 1 else "codes"
    return (
        f"<p class='note'>Run <b>{html.escape(source.run)}</b> "
        f"({latent.n} {codes} of {latent.k}, model {source.model_sha256[:8]}) "
        f"on <b>{html.escape(source.data)}</b>, split {html.escape(source.split)}: "
        f"{study.pairs:,} frame pairs {latent.gap_s:g} s apart, from {study.clips:,} clips.</p>"
    )


_STYLE = (
    "body{font:15px/1.55 system-ui,sans-serif;color:#222;background:#fff;margin:0}"
    "main{max-width:1296px;margin:2.5em auto;padding:0 1.25em}"
    "h1{font-size:1.7em;font-weight:600;margin:0 0 .3em}"
    "h2{font-size:1.2em;font-weight:600;margin:2.6em 0 .5em;padding-top:.9em;"
    "border-top:1px solid #ddd}"
    "p,figcaption{max-width:46em}.note,figcaption{color:#666;font-size:.9em}"
    ".missing{color:#8a4b00}figure{margin:1.2em 0}img{max-width:100%;height:auto;display:block}"
    "figcaption{margin-top:.4em}.scroll{overflow-x:auto}"
    "table{border-collapse:collapse;margin:1em 0;font-variant-numeric:tabular-nums}"
    "th{font-weight:600;font-size:.9em;color:#555}"
    "td,th{padding:.35em 1.4em .35em 0;text-align:left;vertical-align:top;"
    "border-bottom:1px solid #e6e6e6}"
    ".summary td:nth-child(-n+2){white-space:nowrap}.summary td:nth-child(2){font-weight:600}"
    ".numbers td:not(:first-child){white-space:nowrap}"
    "summary{cursor:pointer;color:#2b5f8f}code{font-size:.95em}"
)
