"""The benchmark's own logic: rounds, claims, tables. Times themselves are no test's business."""

import importlib.util
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))

from bench.contest import Claim, Contest, check_parity
from bench.loop_table import Deadlines, LoopReport, draw_deadlines, draw_loop
from bench.report import Report, Spread, Verdict, write_report
from bench.rounds import Block, measure_rounds, plan_block, repeated
from bench.suite import judge
from bench.tables import draw_report, show_us
from bench.targets import FRAME, HEADS
from table import BEGIN, END, read_report, replace_measured

from lapa_edge import _native
from lapa_edge.errors import LapaError
from lapa_edge.runtime.profile import Machine

BENCHMARKS = Path(__file__).parent / "benchmarks"
NO_FOLDER = "--json /nosuch/dir/x.json"
SETS = ", ".join(_native.instruction_sets())
OTHER_SET = "avx2" if "neon" in SETS else "neon"  # of another CPU


class FakeTime:
    """A clock, and work that takes a known time by it."""

    def __init__(self):
        self.ns = 0

    def clock(self):
        return self.ns

    def work(self, call_us):
        def run(calls):
            self.ns += round(calls * call_us * 1000)

        return run


def spread(value):
    return Spread(value, value, value)


def build_verdict(**fields):
    return Verdict(
        **{"group": "head", "subject": "head", "kernel": "f32", "us": spread(2), **fields}
    )


def build_report(verdicts):
    machine = Machine(cpu="a CPU", cores=2, system="Linux", load=0.5, versions={"numpy": "2"})
    return Report(
        machine=machine, instruction_set="avx2", commit="1234567", load_after=0.6,
        seconds=1.0, rounds=3, verdicts=verdicts,
    )  # fmt: skip


@pytest.mark.parametrize("call_us", [0.02, 1.0, 37.0, 499.0])
def test_a_block_takes_about_what_was_asked_for(call_us):
    time = FakeTime()
    block = plan_block(time.work(call_us), 500, time.clock)
    assert 250 < block.calls * call_us <= 750
    assert 1 <= block.warm <= 1 + block.calls / 8


def test_a_slow_call_is_a_block_of_its_own_and_is_not_warmed_up():
    time = FakeTime()
    block = plan_block(time.work(5000), 500, time.clock)
    assert (block.calls, block.warm) == (1, 0)


def test_rounds_tell_the_time_of_one_call_and_leave_out_the_warm_ones():
    time = FakeTime()
    blocks = [Block(time.work(2), calls=10, warm=3), Block(time.work(50), calls=4, warm=0)]
    rows = list(measure_rounds(blocks, 5, np.random.default_rng(0), time.clock))
    np.testing.assert_allclose(rows, [[2, 50]] * 5)


def test_every_candidate_runs_in_every_round_in_an_order_drawn_anew():
    order = []
    blocks = [Block(lambda _, name=name: order.append(name), 1, 0) for name in "abc"]
    for _ in measure_rounds(blocks, 40, np.random.default_rng(0)):
        pass
    rounds = [tuple(dict.fromkeys(order[i : i + 6])) for i in range(0, len(order), 6)]
    assert all(sorted(names) == ["a", "b", "c"] for names in rounds)
    assert set(rounds) == set(itertools.permutations("abc"))


def test_repeated_calls_so_many_times():
    called = []
    repeated(lambda: called.append(1))(7)
    assert len(called) == 7


def build_contest(answer):
    contest = Contest("head", "a contest", lambda y: float(abs(y - 1)))
    contest.add_ours("ours", lambda: None, "f32", np.float32(answer))
    contest.add_peer("fast", lambda: 1.0, "f32")
    contest.add_peer("slow", lambda: 1.0, "f32")
    contest.add_floor("floor", lambda _: None)
    return contest


def test_parity_gives_the_error_of_everything_that_computes():
    assert check_parity(build_contest(1)) == {"ours": 0, "fast": 0, "slow": 0}


@pytest.mark.parametrize("answer", [1.1, np.nan])
def test_a_wrong_answer_is_refused(answer):
    with pytest.raises(LapaError, match="a contest, ours: expected an error of at most 1e-05"):
        check_parity(build_contest(answer))


def test_a_claim_is_judged_against_the_fastest_it_names_round_by_round():
    times = {"ours": [1, 2, 4], "slow": [7, 7, 60], "fast": [5, 6, 8], "floor": [1, 1, 2]}
    times = {("a contest", name): np.array(us, float) for name, us in times.items()}
    claim = Claim("ours", ("slow", "fast"), "floor", must=3, aim=1.5)
    verdict = judge(build_contest(1), claim, times)
    assert (verdict.peer, verdict.ratio.p50, verdict.distance.p50) == ("fast", 3, 2)
    assert (verdict.met_must, verdict.met_aim) == (True, False)
    narrow = judge(build_contest(1), Claim("ours", ("slow",), must_us=1.5), times)
    assert (narrow.peer, narrow.rival) == ("slow", "fast")
    assert (narrow.met_must, narrow.met_aim) == (False, None)


def test_a_report_survives_its_file(tmp_path):
    report = build_report([build_verdict(ratio=spread(3), must=2.5)])
    write_report(report, tmp_path / "report.json")
    assert read_report(tmp_path / "report.json", Report) == report


def test_the_tables_say_what_was_met_and_what_was_missed():
    verdicts = [
        build_verdict(peer="ORT", peer_us=spread(6), ratio=spread(3), must=2.5),
        build_verdict(distance=spread(2), floor="read", floor_us=spread(1), aim=1.5),
    ]
    table = draw_report(build_report(verdicts))
    assert "≥ 2.5 met" in table
    assert "≤ 1.5 **missed**" in table
    lengths = {line.count("|") for line in table.splitlines() if line.startswith("|")}
    assert len(lengths) == 1


def test_a_target_beyond_the_floor_says_what_the_floor_allows():
    times = {"peer_us": spread(6), "floor_us": spread(1.5), "must": 5}
    held = build_verdict(ratio=spread(3), distance=spread(1.3), **times)
    assert held.allowed == 4
    assert "≥ 5 **missed**, the floor allows 4.00" in draw_report(build_report([held]))
    assert build_verdict(ratio=spread(6), distance=spread(0.7), **times).allowed is None


@pytest.mark.parametrize(("us", "shown"), [(0.1234, "0.12"), (12.34, "12.3"), (12345.6, "12346")])
def test_times_have_no_exponent(us, shown):
    assert show_us(us) == shown


def test_the_loops_heads_are_judged_against_a_sleeping_onnx_runtime(tmp_path):
    machine = {"cpu": "a CPU", "cores": 2, "system": "Linux", "load": 0, "versions": {}}
    heads = [
        ("native", "f32", 4, 9, 5),
        ("native", "int8", 1, 3, 2),
        ("ONNX Runtime", "f32", 8, 16, 0),
    ]
    fields = ("runtime", "precision", "hot_us", "cold_us", "early_us")
    path = tmp_path / "loop.json"
    rows = [dict(zip(fields, head, strict=True)) for head in heads]
    path.write_text(json.dumps({"machine": machine, "cold_head": rows, "deadlines": []}))
    table = draw_loop(read_report(path, Report, LoopReport))
    assert "| native f32 | 4.00 | 9.00 | **5.00** | 3.20 | ≥ 3 met | 1.25 | ≤ 1.3 met |" in table
    assert "| 8.00 | ≥ 8 met | 2.00 | ≤ 1.3 **missed** |" in table


def test_loops_stand_side_by_side_and_one_that_was_refused_says_so():
    rows = [Deadlines(load="gil", rate_hz=100, loop="native", missed_percent=0.5)]
    rows.append(Deadlines(load="idle", rate_hz=100, loop="asyncio", missed_percent=71))
    table = draw_deadlines(rows)
    assert "| a thread that hogs the GIL | 100 | 0.50 | not run |" in table
    assert "| nothing | 100 | not run | 71.00 |" in table


def test_another_file_is_refused(tmp_path):
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(LapaError, match=r"report .*other.json: .*missing required field"):
        read_report(tmp_path / "other.json", Report)


def test_the_docs_keep_what_is_around_the_tables():
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    replaced = replace_measured(text, "new")
    assert replaced == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    with pytest.raises(LapaError, match="expected one"):
        replace_measured("no markers", "new")


def test_targets_name_their_heads_and_count_their_weights():
    assert HEADS[0].title == "head 256→256→256→256→56"
    assert HEADS[0].products == 3 * 256 * 256 + 56 * 256
    assert HEADS[2].title == "head 352→256, 2 gated blocks of 256, →112"
    assert HEADS[2].products == 256 * 352 + 6 * 256 * 256 + 112 * 256
    assert FRAME.must("avx512") > FRAME.must("neon")


@pytest.mark.parametrize(
    ("script", "arguments", "line"),
    [
        ("kernels.py", "--rounds 0", "--rounds: expected 1 or more, got 0"),
        ("kernels.py", "--rounds=-3", "--rounds: expected 1 or more, got -3"),
        ("kernels.py", "--seed=-1", "--seed: expected 0 or more, got -1"),
        ("kernels.py", "--block-us=-1", "--block-us: expected a finite number above 0, got -1.0"),
        ("kernels.py", "--block-us nan", "--block-us: expected a finite number above 0, got nan"),
        ("kernels.py", "--only", "--only: expected at least one of head, code and frame, got none"),
        ("kernels.py", NO_FOLDER, "--json: expected a folder that exists, got /nosuch/dir"),
        ("kernels.py", f"--instruction-set {OTHER_SET}", f"this CPU runs ({SETS}), got "),
        ("control_loop.py", NO_FOLDER, "--json: expected a folder that exists, got /nosuch/dir"),
        ("control_loop.py", "--json /tmp", "--json: expected a file, got the folder /tmp"),
        ("control_loop.py", "--rates 20", "--rates: expected 50 to 1000 Hz, got 20.0"),
        ("control_loop.py", "--seconds inf", "--seconds: expected a finite number above 0"),
        ("cuda.py", NO_FOLDER, "--json: expected a folder that exists, got /nosuch/dir"),
        ("cuda.py", "--rounds 0", "--rounds: expected 1 or more, got 0"),
        ("threads.py", "nowhere --turns 0", "--turns: expected 1 or more, got 0"),
        ("threads.py", "nowhere --seconds -1", "--seconds: expected a finite number above 0"),
        ("table.py", "", "reports: expected at least one JSON file of kernels.py or control_loop"),
    ],
)
def test_what_cannot_be_measured_is_refused_before(script, arguments, line):
    done = subprocess.run(
        [sys.executable, BENCHMARKS / script, *arguments.split()],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{script}: error: ")
    assert line in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("script", ["kernels", "control_loop", "cuda", "table"])
def test_a_stopped_benchmark_promises_nothing(script, monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location(f"{script}_script", BENCHMARKS / f"{script}.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)

    def stop(flags):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "draw" if script == "table" else "benchmark", stop)
    monkeypatch.setattr(sys, "argv", [script])
    monkeypatch.setattr(os, "environ", dict(os.environ))
    assert module.main() == 130
    assert capsys.readouterr().err == "stopped; nothing was written\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("group", "needs"),
    [("head", ("onnx", "torch")), ("code", ("faiss", "torch")), ("frame", ("cv2",))],
)
def test_a_quick_run_measures_draws_and_ends_well(group, needs, tmp_path):
    for name in needs:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"NOT MEASURED: {name} is not installed")
    out = tmp_path / "report.json"
    for command in (
        ["kernels.py", "--quick", "--only", group, "--json", out],
        ["table.py", out, "--png", tmp_path / "report.png"],
    ):
        script, *arguments = map(str, command)
        done = subprocess.run(
            [sys.executable, BENCHMARKS / script, *arguments],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "| what | kernel |" in done.stdout
    report = read_report(out, Report)
    assert {verdict.group for verdict in report.verdicts} == {group}
    assert (tmp_path / "report.png").stat().st_size > 10_000
