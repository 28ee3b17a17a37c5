"""Ctrl-C in a program that uses the processor: it ends at once, and leaves no complaint about lost tasks."""

import signal
import subprocess
import sys
import time

import pytest

PROGRAM = """
import asyncio
from batchwright import LLMWorkItem, ParallelBatchProcessor, ProcessorConfig

async def call(attempt, seconds):
    print("asked", flush=True)
    await asyncio.sleep(600)

async def main():
    processor = ParallelBatchProcessor(ProcessorConfig(max_workers=100, {config}))
    items = [LLMWorkItem(item_id=str(n), direct_call=call) for n in range(1000)]
    {consume}

asyncio.run(main())
"""
STREAM = "print([r async for r in processor.stream(items)])"
ALL = "[await processor.add_work(item) for item in items]; await processor.process_all()"
QUEUE = "[await processor.add_work(item) for item in items]"


@pytest.mark.parametrize(("consume", "config"), [(STREAM, ""), (ALL, ""), (QUEUE, "max_queue_size=5")])
def test_ctrl_c_ends_it_at_once_and_quietly(consume, config):
    code = PROGRAM.format(consume=consume, config=config)
    command = [sys.executable, "-W", "error", "-X", "dev", "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8") as program:
        assert program.stdout.readline() == "asked\n"
        began = time.monotonic()
        program.send_signal(signal.SIGINT)
        _, said = program.communicate(timeout=60)
        assert time.monotonic() - began < 30  # ten minutes are what the calls would take
    assert program.returncode == -signal.SIGINT
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert "never" not in said
    assert "destroyed" not in said
    assert "Warning" not in said
