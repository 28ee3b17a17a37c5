import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

MEMORY = Path(__file__).parents[2] / "scripts" / "benches" / "memory.py"
MB = 1_000_000


@pytest.fixture(scope="module")
def memory():
    spec = importlib.util.spec_from_file_location("bench_memory", MEMORY)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.mark.parametrize(
    ("small_mb", "full_mb", "holds"),
    [(50, 80, True), (50, 81, False), (200, 240, True), (200, 241, False), (90, 60, True)],
)
def test_a_peak_may_grow_by_a_fifth_or_30_mb_whichever_is_more(memory, small_mb, full_mb, holds):
    small, full = (memory.Cost(requests=1, wall_s=1.0, cpu_s=1.0, peak_bytes=size * MB) for size in (small_mb, full_mb))
    assert memory.Line(phase="plan", provider="openai", small=small, full=full).holds is holds


def test_every_phase_runs_and_says_what_it_cost():
    command = [sys.executable, str(MEMORY), "--quick", "--providers", "openai"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[:3] for line in done.stdout.splitlines() if line.endswith(" ok")] == [
        ["plan", "openai", "3,000"],
        ["submit", "openai", "1,500"],
        ["collect", "openai", "3,000"],
    ]
