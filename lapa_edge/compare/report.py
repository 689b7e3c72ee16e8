"""The end of a comparison: numbers, page and pictures, put in place together."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from lapa_edge.artifact import swap_directory
from lapa_edge.compare.config import CompareConfig
from lapa_edge.compare.plots import draw_grid, draw_latencies, draw_methods
from lapa_edge.compare.results import Findings
from lapa_edge.compare.summary import pairs, rows
from lapa_edge.compare.table import markdown


def write_report(config: CompareConfig, findings: Findings, root: Path) -> Path:
    """Write ``compare.json``, ``compare.md`` and the pictures; `root` is replaced in one rename."""
    staging = Path(tempfile.mkdtemp(prefix=f".{root.name}.", dir=root.parent))
    try:
        page = markdown(config, findings)
        if findings.every:
            draw_methods(findings, staging / "compare.png")
            page += "\n![Methods](compare.png)\n"
            if config.ablation:
                draw_latencies(findings, staging / "latency.png")
                page += "\n![Success against policy latency](latency.png)\n"
            if config.grid:
                draw_grid(config, findings, staging / "grid.png")
                page += "\n![By latent space](grid.png)\n"
        (staging / "compare.md").write_text(page, encoding="utf-8")
        encoded = msgspec.json.encode(_numbers(config, findings))
        (staging / "compare.json").write_bytes(msgspec.json.format(encoded))
        staging.chmod(0o755)
        swap_directory(staging, root)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return root


def _numbers(config: CompareConfig, findings: Findings) -> dict[str, Any]:
    metrics = findings.metrics()
    return {
        "config": config,
        "rows": [one for metric in metrics for one in rows(findings, metric)],
        "pairs": [one for metric in metrics for one in pairs(findings, metric, config.methods)],
        "findings": findings.every,
    }
