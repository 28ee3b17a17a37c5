"""What a prompt costs through the llm tool's OpenAI models: the tool's way, and `llm batch`'s, against a local server.

The tool opens a client for every prompt; `llm batch` keeps one. Each way is a process of its own; rounds alternate and
the best of each counts. `logged` is ours with every answer written into the tool's database, as `llm batch` does.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
WAYS = ("tool", "kept", "logged")
GAIN = 2.0
"""How many times less CPU a prompt has to take with one client for all."""


@contextmanager
def served() -> Iterator[str]:
    """Run a server that answers at once; gives its address."""
    command = [sys.executable, str(HERE / "live_server.py")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


async def as_the_tool(prompts: int, workers: int) -> None:
    """Ask as a Python program does with the tool's own asynchronous model."""
    import llm  # noqa: PLC0415  (the folder has to be set first)

    model = llm.get_async_model("served")
    turn = asyncio.Semaphore(workers)

    async def ask(number: int) -> None:
        async with turn:
            await model.prompt(f"question {number}", stream=False)

    await asyncio.gather(*map(ask, range(prompts)))


async def as_we_do(prompts: int, workers: int, *, log: bool) -> None:
    """Ask as `llm batch` does."""
    from batchwright.cli.datasets.base import Asking  # noqa: PLC0415  (as above)
    from batchwright.live.engine.answering import Ask, LiveEngine  # noqa: PLC0415
    from batchwright.live.processor.settings import ProcessorConfig  # noqa: PLC0415
    from batchwright.plugins.llm.backend import LlmBackend  # noqa: PLC0415
    from batchwright.request import Message, Request  # noqa: PLC0415

    session = LlmBackend().open({})
    answerer = session.answerer(session.model("served"), Asking(concurrency=workers, log=log))
    asks = (
        Ask(request=Request(custom_id=str(number), messages=(Message.text(f"question {number}"),)))
        for number in range(prompts)
    )
    async with LiveEngine([answerer], config=ProcessorConfig(max_workers=workers)) as engine:
        answered = [answer.result.succeeded async for answer in engine.answer(asks)]
    if answered != [True] * prompts:
        raise SystemExit(f"{answered.count(False)} prompts have no answer")


def measure(way: str, prompts: int, workers: int) -> None:
    """Ask a few to warm up, then all, and print the seconds and CPU seconds of the latter."""
    os.environ["OPENAI_API_KEY"] = "unused"

    async def twice() -> None:
        for count in (5, prompts):
            began, cpu = time.perf_counter(), time.process_time()
            await (as_the_tool(count, workers) if way == "tool" else as_we_do(count, workers, log=way == "logged"))
        print(json.dumps([time.perf_counter() - began, time.process_time() - cpu]))

    asyncio.run(twice())


def main() -> int:
    """Run every way, print what a prompt costs; 1 if keeping a client does not pay."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=500)
    parser.add_argument("--workers", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        measure(options.way, options.prompts, options.workers)
        return 0
    best = dict.fromkeys(WAYS, (float("inf"), float("inf")))
    with served() as url, tempfile.TemporaryDirectory() as folder:
        Path(folder, "extra-openai-models.yaml").write_text(
            f"- model_id: served\n  model_name: served\n  api_base: {url}/v1\n", encoding="utf-8"
        )
        for _ in range(options.rounds):
            for way in WAYS:
                command = [sys.executable, __file__, "--way", way, "--prompts", str(options.prompts)]
                command += ["--workers", str(options.workers)]
                variables = {**os.environ, "LLM_USER_PATH": folder}
                quiet = subprocess.DEVNULL if way == "tool" else None  # its clients complain that nobody closed them
                done = subprocess.run(
                    command, check=True, stdout=subprocess.PIPE, stderr=quiet, text=True, env=variables
                )
                seconds, cpu = json.loads(done.stdout.splitlines()[-1])
                best[way] = (min(best[way][0], seconds), min(best[way][1], cpu))
    for way, (seconds, cpu) in best.items():
        print(f"{way:<8}{options.prompts / seconds:8.0f} prompts/s{cpu / options.prompts * 1000:8.2f} ms CPU a prompt")
    gain = best["tool"][1] / best["kept"][1]
    holds = gain >= GAIN
    print(f"one client for all: {gain:.1f} times less CPU, {GAIN:.0f} demanded: {'ok' if holds else 'TOO LITTLE'}")
    return 0 if holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
