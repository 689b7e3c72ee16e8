"""The files that are installed beside the node say only what the node understands."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

yaml = pytest.importorskip("yaml", reason="NOT CHECKED: PyYAML, which comes with rclpy")
from lapa_edge_ros.table import ROWS, Empty  # noqa: E402

CONFIG = Path(__file__).parents[1] / "config"
FILES = sorted(CONFIG.glob("*.yaml"))


def values_of(path: Path) -> dict[str, object]:
    return yaml.safe_load(path.read_text())["/**"]["ros__parameters"]


def test_there_is_a_file_per_wiring():
    wirings = {values_of(path)["output_type"] for path in FILES if path.name != "policy.yaml"}
    assert wirings == set(ROWS["output_type"].choices)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_value_is_one_that_the_node_takes(path):
    for name, value in values_of(path).items():
        row = ROWS[name]
        assert isinstance(value, kind_of(row)), f"{name}: {value!r}"
        assert not row.choices or value in row.choices, f"{name}: {value!r}"
        if row.bounds:
            assert row.bounds[0] <= value <= row.bounds[1], f"{name}: {value!r}"


def kind_of(row):
    return list if isinstance(row.default, Empty) else type(row.default)


def test_the_plain_file_holds_the_defaults():
    told = values_of(CONFIG / "policy.yaml")
    assert told == {name: ROWS[name].default for name in told}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_file_lets_the_robot_move_by_itself(path):
    assert values_of(path)["start_enabled"] is False


def test_the_image_profile_gives_16_mib_of_shared_memory():
    text = (CONFIG / "fastdds_images.xml").read_text()
    root = ElementTree.fromstring(text)
    space = {"f": "http://www.eprosima.com"}
    transports = {
        transport.findtext("f:transport_id", namespaces=space): transport
        for transport in root.iterfind(".//f:transport_descriptor", space)
    }
    shared = transports["images_shm"]
    assert shared.findtext("f:type", namespaces=space) == "SHM"
    assert int(shared.findtext("f:segment_size", namespaces=space)) == 16 * 2**20
    used = [
        e.text for e in root.iterfind(".//f:participant//f:userTransports/f:transport_id", space)
    ]
    assert used == list(transports)
    assert root.find("f:participant", space).get("is_default_profile") == "true"
    assert "FASTRTPS_DEFAULT_PROFILES_FILE" in text and "FASTDDS_DEFAULT_PROFILES_FILE" in text
