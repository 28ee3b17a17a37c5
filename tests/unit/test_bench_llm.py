import re
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "scripts" / "benches" / "llm_tool.py"
LINE = re.compile(r"(\w+) +\d+ prompts/s +\d+\.\d\d ms CPU a prompt")
GAIN = re.compile(r"one client for all: \d+\.\d times less CPU, 2 demanded: (ok|TOO LITTLE)")


def test_every_way_runs_and_the_gain_is_told():
    command = [sys.executable, str(BENCH), "--prompts", "10", "--rounds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    *ways, gain = done.stdout.splitlines()
    assert [LINE.fullmatch(way)[1] for way in ways] == ["tool", "kept", "logged"], done.stderr
    verdict = GAIN.fullmatch(gain)[1]
    assert done.returncode == (0 if verdict == "ok" else 1)
