"""The tables of a LeRobot dataset, copied with the columns of `feature` added.

`labels` calls this for the files that change; it links the others itself.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lapa_edge.data.files import replacing
from lapa_edge.data.lerobot.feature import (
    Columns,
    EpisodeLabels,
    arrow_column,
    arrow_fields,
    extend_schema,
    frame_columns,
)
from lapa_edge.data.lerobot.manifest import EpisodePlace, Manifest, read_json, read_json_lines
from lapa_edge.data.lerobot.stats import (
    Stats,
    episode_stats,
    join_stats,
    quantile_names,
    stat_type,
)
from lapa_edge.data.lerobot.v3 import episode_files
from lapa_edge.errors import DataError
from lapa_edge.spec import LatentSpec

INFO = Path("meta/info.json")
STATS = Path("meta/stats.json")
EPISODES_STATS = Path("meta/episodes_stats.jsonl")


class TableWriter:
    """Writes the files that change; each is left alone where it is there already."""

    def __init__(
        self,
        source: Path,
        target: Path,
        manifest: Manifest,
        labels: Mapping[int, EpisodeLabels],
        latent: LatentSpec,
    ) -> None:
        self.source, self.target, self.manifest = source, target, manifest
        self.labels, self.latent = labels, latent
        self.places = {place.index: place for place in manifest.places}
        self.quantiles: list[str] = []
        self.list_kind = "Sequence" if manifest.info.codebase_version == "v2.1" else "List"

    def write_data(self) -> Iterator[Path]:
        """Rewrite every data file.

        Yields:
            Where each lies below the dataset.

        Raises:
            DataError: a file is missing, damaged, not listed, or lacks rows.
        """
        lengths: dict[Path, dict[int, int]] = {}
        for place in self.manifest.places:
            lengths.setdefault(place.data, {})[place.index] = place.length
        for path in sorted((self.source / "data").rglob("*.parquet")):
            if path not in lengths:
                raise DataError(f"table {path}", "no episode lies in it", "remove it")
        for path, length in lengths.items():
            inside = path.relative_to(self.source)
            if not (self.target / inside).is_file():
                try:
                    self._write_table(path, self.target / inside, length)
                except (pa.ArrowException, OSError, KeyError) as error:
                    raise DataError(f"table {path}", f"cannot be copied ({error})") from error
            yield inside

    def _write_table(self, path: Path, target: Path, lengths: dict[int, int]) -> None:
        """Copy a data file row group by row group with the new columns."""
        rows: Counter[int] = Counter()
        with pq.ParquetFile(path) as file, replacing(target) as partial:
            fields = arrow_fields(self.latent)
            schema = extend_schema(file.schema_arrow, fields, self.list_kind)
            with pq.ParquetWriter(partial, schema, compression=_compression(file)) as writer:
                for group in range(file.num_row_groups):
                    table = file.read_row_group(group)
                    for field, column in zip(fields, self._columns(path, table), strict=True):
                        table = table.append_column(field, column)
                    rows.update(table["episode_index"].to_pylist())
                    table = table.replace_schema_metadata(schema.metadata)
                    writer.write_table(table, row_group_size=max(1, table.num_rows))
            for index, length in lengths.items():
                if rows[index] != length:
                    raise DataError(
                        f"table {path}",
                        f"expected {length} rows of episode {index}, got {rows[index]}",
                    )

    def _columns(self, path: Path, table: pa.Table) -> list[pa.Array]:
        """The new columns for these rows."""
        episode, frame = (table[name].to_numpy() for name in ("episode_index", "frame_index"))
        fields = arrow_fields(self.latent)
        values = frame_columns(None, len(episode), self.latent)
        for index in np.unique(episode).tolist():
            place = self.places.get(index)
            rows = np.flatnonzero(episode == index)
            if place is None or not ((frame[rows] >= 0) & (frame[rows] < place.length)).all():
                raise DataError(
                    f"table {path}", f"it has frames of episode {index} that meta/ does not list"
                )
            for key, value in self._frames(place).items():
                values[key][rows] = value[frame[rows]]
        return [arrow_column(values[field.name], field) for field in fields]

    def _frames(self, place: EpisodePlace) -> Columns:
        return frame_columns(self.labels.get(place.index), place.length, self.latent)

    def write_stats(self) -> Iterator[Path]:
        """Extend what the source has of statistics.

        Yields:
            Where each file lies below the dataset.

        Raises:
            DataError: a file is malformed.
        """
        tables = episode_files(self.source) if self.manifest.info.codebase_version != "v2.1" else []
        self.quantiles = self._find_quantiles(tables)
        for path in tables:
            inside = path.relative_to(self.source)
            self._extend_episodes(path, self.target / inside)
            yield inside
        if (self.source / EPISODES_STATS).is_file():
            self._extend_lines()
            yield EPISODES_STATS
        if (self.source / STATS).is_file():
            content = read_json(self.source / STATS)
            content.update(self._joined_stats())
            write_json(self.target / STATS, content)
            yield STATS

    def _stats(self, index: int) -> dict[str, Stats]:
        """One episode's; computed anew each time, for all together may not fit in memory."""
        return episode_stats(self._frames(self.places[index]), self.quantiles)

    def _joined_stats(self) -> dict[str, Stats]:
        joined: dict[str, Stats] = {}
        for index in self.places:
            part = self._stats(index)
            joined = {key: join_stats(joined.get(key), part[key]) for key in part}
        return joined

    def _find_quantiles(self, tables: Sequence[Path]) -> list[str]:
        """The quantiles that the source keeps."""
        names = [name.rsplit("/", 1)[-1] for path in tables for name in pq.read_schema(path).names]
        if (self.source / STATS).is_file():
            content = read_json(self.source / STATS)
            if not isinstance(content, dict):
                raise DataError(f"file {self.source / STATS}", "expected an object")
            names += [name for one in content.values() if isinstance(one, dict) for name in one]
        return quantile_names(names)

    def _extend_episodes(self, path: Path, target: Path) -> None:
        """Copy a table of episodes; one with statistics in columns gets those of the feature."""
        table = pq.read_table(path, partitioning=None)
        schema = table.schema
        if any(name.startswith("stats/") for name in schema.names):
            rows = [self._stats(index) for index in table["episode_index"].to_pylist()]
            fields = []
            for field in arrow_fields(self.latent):
                for statistic in rows[0][field.name]:
                    kind = stat_type(statistic, field.type)
                    fields.append(pa.field(f"stats/{field.name}/{statistic}", kind))
                    values = [row[field.name][statistic] for row in rows]
                    table = table.append_column(fields[-1], pa.array(values, kind))
            schema = extend_schema(schema, fields, self.list_kind)
        with pq.ParquetFile(path) as file:
            compression = _compression(file)
        with replacing(target) as partial:
            pq.write_table(
                table.replace_schema_metadata(schema.metadata), partial, compression=compression
            )

    def _extend_lines(self) -> None:
        """Copy ``episodes_stats.jsonl``, each line with the statistics of the feature."""
        with replacing(self.target / EPISODES_STATS) as partial, partial.open("w") as file:
            for where, line in read_json_lines(self.source / EPISODES_STATS):
                try:
                    line["stats"].update(self._stats(line["episode_index"]))
                except (KeyError, TypeError, AttributeError) as error:
                    raise DataError(f"file {where}", f"malformed ({error!r})") from error
                file.write(json.dumps(line, ensure_ascii=False) + "\n")


def write_json(path: Path, content: Any) -> None:
    """Write JSON as LeRobot lays it out, whole or not at all."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(content, indent=4, ensure_ascii=False), encoding="utf-8")


def _compression(file: pq.ParquetFile) -> str:
    """How a Parquet file is compressed."""
    metadata = file.metadata
    if not metadata.num_row_groups or not metadata.num_columns:
        return "snappy"
    found = str(metadata.row_group(0).column(0).compression)
    return "none" if found == "UNCOMPRESSED" else found.lower()
