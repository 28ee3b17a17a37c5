import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

BATCH = Path(__file__).parents[2] / "scripts" / "benches" / "batch.py"
MB = 1_000_000


@pytest.fixture(scope="module")
def batch():
    spec = importlib.util.spec_from_file_location("bench_batch", BATCH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def way(batch, *, rows, cpu_s, peak_mb):
    part = batch.Cost(wall_s=1.0, cpu_s=cpu_s, peak_bytes=peak_mb * MB)
    return batch.Way(rows=rows, parts={batch.WHOLE: part})


@pytest.mark.parametrize(
    ("cpu_s", "peak_mb", "missed"), [(2.5, 120, []), (2.6, 100, [0]), (1.0, 121, [1, 2]), (1.0, 119, [])]
)
def test_ours_may_cost_two_and_a_half_times_the_bare_script_in_120_mb_that_hardly_grow(batch, cpu_s, peak_mb, missed):
    bare = way(batch, rows=1_000, cpu_s=1.0, peak_mb=50)
    ours, smaller = way(batch, rows=1_000, cpu_s=cpu_s, peak_mb=peak_mb), way(batch, rows=100, cpu_s=1.0, peak_mb=100)
    demands = list(batch.demands_on(ours, bare, smaller))
    assert [number for number, demand in enumerate(demands) if not demand.holds] == missed


def test_the_round_with_the_least_cpu_counts_and_the_highest_peak_of_any(batch):
    rounds = [way(batch, rows=9, cpu_s=cpu_s, peak_mb=peak) for cpu_s, peak in ((3.0, 50), (2.0, 40), (4.0, 60))]
    counted = batch.best(rounds)
    assert (counted.parts[batch.WHOLE].cpu_s, counted.peak_bytes) == (2.0, 60 * MB)


@pytest.mark.parametrize("theirs", ["a,b\n1,3\n", "a,b\n", "a,b\n1,2\n3,4\n"])
def test_outputs_that_differ_stop_the_bench(batch, tmp_path, theirs):
    (tmp_path / "ours.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    (tmp_path / "bare.csv").write_text(theirs, encoding="utf-8")
    with pytest.raises(RuntimeError):
        batch.require_same(tmp_path / "ours.csv", tmp_path / "bare.csv", 1)


def test_both_sides_go_the_whole_way_and_write_the_same():
    command = [sys.executable, str(BATCH), "--rows", "300", "--rounds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.stderr == ""  # a bar may be missed by so few rows, an output may not
    assert [line.split()[:3] for line in done.stdout.splitlines() if " whole " in line] == [
        ["300", "whole", "ours"],
        ["300", "whole", "bare"],
    ]
