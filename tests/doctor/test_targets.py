"""Which boards build here: asked of the real TensorRT for RTX, and of full TensorRT's double."""

import pytest
from tensorrt_fakes import FakeTensorRT

from lapa_edge.doctor.targets import check_targets
from lapa_edge.export import board as board_module
from lapa_edge.export import tensorrt_api
from lapa_edge.export.board import board_names, read_board
from lapa_edge.export.tensorrt_api import Builder, find_builder

ORINS = ("agx-orin", "orin-nano", "orin-nx")


def targets(builder):
    found = check_targets(builder)
    assert found[0].name == "tensorrt" and found[0].status == "ok"
    assert found[0].found.startswith(f"{builder.name} {builder.version}, CUDA ")
    return {finding.name: finding for finding in found[1:]}


@pytest.fixture
def full(monkeypatch):
    """Full TensorRT of a version, on a GPU of a compute capability."""

    def build(version, capability):
        monkeypatch.setattr(tensorrt_api, "gpu_capability", lambda: capability)
        return Builder(FakeTensorRT(version), "tensorrt", version, "12.6")

    return build


def test_tensorrt_for_rtx_builds_for_its_own_gpus_and_proves_graphs_for_jetsons():
    pytest.importorskip("tensorrt_rtx_bindings", reason="NOT CHECKED: no TensorRT for RTX")
    found = targets(find_builder("tensorrt-rtx"))
    assert [*found] == board_names()
    assert (found["rtx"].status, found["h200"].status) == ("ok", "info")
    assert found["rtx"].found.startswith("builds, compute capability 8.9 (fp32, fp16, bf16, int8, ")
    for name in (*ORINS, "thor"):
        board = read_board(name)
        words = f"proves that graphs build ({board.rtx_stand_in} stands in for "
        assert found[name].found.startswith(words) and found[name].status == "info"
        assert board.written_for in found[name].found
    assert "not here: needs compute capability 9.0" in found["h200"].found


def test_full_tensorrt_on_an_orin_builds_for_the_orins_alone(full):
    found = targets(full("10.3.0", "8.7"))
    assert {name for name, x in found.items() if x.status == "ok"} == set(ORINS)
    assert "made for JetPack 6.2, TensorRT 10.3, CUDA 12.6" in found["orin-nano"].found
    assert "builds here for 8.7; run this command on the board itself" in found["thor"].found


def test_a_jetpack_that_is_too_old_is_told_with_what_to_update_to(full):
    found = targets(full("8.6.2", "8.7"))
    assert {x.status for x in found.values()} == {"info"}
    assert "here is TensorRT 8.6.2; update the board to JetPack 6.2" in found["orin-nx"].found


def test_full_tensorrt_without_a_gpu_builds_for_none(full):
    found = targets(full("10.3.0", None))
    assert all("none: no GPU answers" in x.found for x in found.values())


def test_a_damaged_recipe_is_a_failure_with_a_remedy(full, tmp_path, monkeypatch):
    (tmp_path / "mine.toml").write_text("name = 1\n")
    monkeypatch.setattr(board_module, "_PLACES", (tmp_path,))
    found = targets(full("10.3.0", "8.7"))["mine"]
    assert found.status == "fail" and "mend the recipe" in found.remedy
