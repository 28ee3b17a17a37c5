"""The examples of the parallel processor's guide, run as they stand.

Changed are only the imports (`batch_llm` is `batchwright`), the model's name, an agent's settings in today's form of
pydantic-ai, and what the guide leaves to the reader ("Your API call here", the database), which is a small stand-in.
The guide's examples wait at the top level, as a notebook does; so do these.
"""

import ast
import asyncio
import inspect
from types import SimpleNamespace

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

import batchwright
from batchwright.credentials import EMULATOR_PREFIXES
from batchwright.emulator import RunningEmulator, Scenario
from batchwright.testing import MockAgent, run_virtual

MINIMAL = """
from batchwright import ParallelBatchProcessor, LLMWorkItem, ProcessorConfig
from pydantic_ai import Agent
from pydantic import BaseModel

class Output(BaseModel):
    result: str

agent = Agent("test", output_type=Output)
config = ProcessorConfig(max_workers=5, timeout_per_item=120.0)
processor = ParallelBatchProcessor(config=config)

await processor.add_work(LLMWorkItem(
    item_id="1",
    agent=agent,
    prompt="Hello"
))

result = await processor.process_all()
print(f"Success: {result.succeeded}/{result.total_items}")
"""

PROGRESSIVE_TEMPERATURE = """
def create_agent(attempt: int) -> Agent:
    temp = [0.0, 0.25, 0.5][attempt - 1]
    return Agent("test", model_settings={"temperature": temp})

work_item = LLMWorkItem(
    item_id="item_1",
    agent_factory=create_agent,
    prompt="Your prompt"
)
"""

DIRECT_CALL = '''
async def call_gemini(attempt: int, timeout: float) -> tuple[Output, dict]:
    """Direct LLM call with custom temperature."""
    temp = [0.0, 0.25, 0.5][attempt - 1]
    result = await your_api_call(your_data, temp, timeout)
    return result, {
        "input_tokens": 100,
        "output_tokens": 200,
        "total_tokens": 300
    }

work_item = LLMWorkItem(
    item_id="item_1",
    direct_call=call_gemini,
    input_data=your_data
)
'''

POST_PROCESSING = """
async def save_result(result: WorkItemResult):
    if result.success and result.context:
        await db.save(result.context.id, result.output)

processor = ParallelBatchProcessor(
    config=config,
    post_processor=save_result
)
"""

OBSERVING = """
metrics = MetricsObserver()
processor = ParallelBatchProcessor(
    config=config,
    observers=[metrics]
)

result = await processor.process_all()
collected_metrics = await metrics.get_metrics()
"""

MOCK_AGENT = """
mock_agent = MockAgent(
    response_factory=lambda p: YourOutput(result=p),
    latency=0.01,  # Simulate processing time
    rate_limit_on_call=5,  # Trigger rate limit on 5th call
)
"""

SEVERAL_METHODS = """
work_item = LLMWorkItem(
    item_id="item_1",
    agent=agent,
    direct_call=my_func  # Can't have both!
)
"""

ONE_METHOD = """
work_item = LLMWorkItem(
    item_id="item_1",
    agent=agent
)
"""

BAD_POST_PROCESSOR = """
async def bad_post_processor(result):
    result.output.field = "modified"  # Don't do this!
"""

GOOD_POST_PROCESSOR = """
async def good_post_processor(result):
    await db.save(result.output)  # Read and save
"""

CONTEXT = """
work_item = LLMWorkItem(
    item_id="item_1",
    agent=agent,
    prompt="Your prompt",
    context={"user_id": 123, "original_data": data}
)

# Access in post-processor
async def post_process(result):
    if result.success:
        user_id = result.context["user_id"]
        await save_for_user(user_id, result.output)
"""

CHECK_RATE_LIMITS = """
result = await processor.process_all()
stats = await processor.get_stats()

if stats["rate_limit_count"] > 0:
    print(f"Hit {stats['rate_limit_count']} rate limits")
    print(f"Error breakdown: {stats['error_counts']}")
"""

VERIFY_STATS = """
result = await processor.process_all()
assert result.total_items == result.succeeded + result.failed
assert len(result.results) == result.total_items
"""


class YourOutput(BaseModel):
    result: str


class Database:
    """The guide's `db`, and its `save_for_user`."""

    def __init__(self):
        self.rows = []

    async def save(self, *row):
        await asyncio.sleep(0.001)
        self.rows.append(row)


class Guide:
    """Runs the guide's blocks one after the other, in one namespace."""

    def __init__(self, **names):
        public = {name: getattr(batchwright, name) for name in batchwright.__all__}
        self.names = {**public, "Agent": Agent, "MockAgent": MockAgent, "Output": YourOutput, **names}
        self.names.setdefault("config", batchwright.ProcessorConfig())

    async def run(self, block):
        code = compile(block, "guide 004", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        value = eval(code, self.names)
        if inspect.isawaitable(value):
            await value

    def __getitem__(self, name):
        return self.names[name]


def test_the_minimal_example(capsys):
    guide = Guide()
    run_virtual(guide.run(MINIMAL))
    assert capsys.readouterr().out == "Success: 1/1\n"
    assert isinstance(guide["result"].results[0].output, guide["Output"])


def test_the_minimal_examples_agent_over_http_against_the_emulator(tmp_path):
    async def go(url):
        provider = OpenAIProvider(base_url=url + EMULATOR_PREFIXES["openai"], api_key="no key needed")
        agent = Agent(OpenAIChatModel("gpt-5.4-mini", provider=provider), output_type=NativeOutput(YourOutput))
        processor = batchwright.ParallelBatchProcessor(batchwright.ProcessorConfig(max_workers=5))
        for number in range(20):
            await processor.add_work(batchwright.LLMWorkItem(item_id=str(number), agent=agent, prompt="Hello"))
        result = await processor.process_all()
        await provider.client.close()
        return result

    with RunningEmulator(tmp_path, scenario=Scenario.everywhere()) as emulator:
        result = asyncio.run(go(emulator.url))
    assert result.succeeded == 20
    assert {type(r.output) for r in result.results} == {YourOutput}
    assert result.total_input_tokens >= 20
    assert result.total_output_tokens >= 20


def test_progressive_temperature_retry():
    async def go():
        guide = Guide()
        await guide.run(PROGRESSIVE_TEMPERATURE)
        processor = batchwright.ParallelBatchProcessor()
        await processor.add_work(guide["work_item"])
        return await processor.process_all()

    assert run_virtual(go()).succeeded == 1


def test_pattern_1_direct_calls():
    asked = []

    async def your_api_call(data, temperature, timeout):  # noqa: ASYNC109  (as the guide hands it on)
        asked.append((data, temperature, timeout))
        if temperature < 0.5:
            raise ValueError("no valid answer at this temperature")
        return YourOutput(result=data)

    async def go():
        guide = Guide(your_api_call=your_api_call, your_data="the data")
        await guide.run(DIRECT_CALL)
        processor = batchwright.ParallelBatchProcessor()
        await processor.add_work(guide["work_item"])
        return await processor.process_all()

    result = run_virtual(go())
    assert asked == [("the data", 0.0, 120.0), ("the data", 0.25, 120.0), ("the data", 0.5, 120.0)]
    assert result.results[0].output == YourOutput(result="the data")
    assert result.results[0].token_usage == {"input_tokens": 100, "output_tokens": 200, "total_tokens": 300}


def test_pattern_2_post_processing():
    async def go():
        guide = Guide(db=Database())
        await guide.run(POST_PROCESSING)
        for number in range(3):
            item = batchwright.LLMWorkItem(
                item_id=str(number), agent=MockAgent(), prompt=f"p{number}", context=SimpleNamespace(id=number)
            )
            await guide["processor"].add_work(item)
        await guide["processor"].process_all()
        return guide["db"].rows

    assert sorted(run_virtual(go())) == [(0, "p0"), (1, "p1"), (2, "p2")]


def test_pattern_3_observing_metrics():
    async def go():
        guide = Guide()
        observing, processing = OBSERVING.split("\n\n")
        await guide.run(observing)
        for number in range(3):
            item = batchwright.LLMWorkItem(item_id=str(number), agent=MockAgent(), prompt="p")
            await guide["processor"].add_work(item)
        await guide.run(processing)
        return guide["collected_metrics"]

    metrics = run_virtual(go())
    assert metrics["items_processed"] == metrics["items_succeeded"] == 3
    assert metrics["success_rate"] == 1.0


def test_the_mock_agent():
    async def go():
        guide = Guide(YourOutput=YourOutput)
        await guide.run(MOCK_AGENT)
        processor = batchwright.ParallelBatchProcessor()
        for number in range(10):
            item = batchwright.LLMWorkItem(item_id=str(number), agent=guide["mock_agent"], prompt=str(number))
            await processor.add_work(item)
        return await processor.process_all(), await processor.get_stats()

    result, stats = run_virtual(go())
    assert result.succeeded == 10
    assert stats["rate_limit_count"] == 1


def test_pitfall_forgetting_to_await():
    async def go():
        processor = batchwright.ParallelBatchProcessor()
        wrong = processor.get_stats()
        assert inspect.iscoroutine(wrong)
        return await wrong

    assert run_virtual(go())["total"] == 0


def test_pitfall_several_processing_methods():
    async def my_func(attempt, seconds):
        return None, None

    guide = Guide(agent=MockAgent(), my_func=my_func)
    with pytest.raises(ValueError, match="exactly one of agent, agent_factory and direct_call"):
        run_virtual(guide.run(SEVERAL_METHODS))
    run_virtual(guide.run(ONE_METHOD))
    assert guide["work_item"].item_id == "item_1"


@pytest.mark.parametrize("output", [SimpleNamespace(field="as it was"), YourOutput(result="no such field"), "text"])
def test_pitfall_a_post_processor_that_changes_results_fails_no_item(output, caplog):
    async def go():
        guide = Guide()
        await guide.run(BAD_POST_PROCESSOR)
        processor = batchwright.ParallelBatchProcessor(post_processor=guide["bad_post_processor"])
        await processor.add_work(batchwright.LLMWorkItem(item_id="1", agent=MockAgent(lambda _: output), prompt="p"))
        return await processor.process_all()

    assert run_virtual(go()).succeeded == 1


def test_pitfall_a_post_processor_that_reads_and_saves():
    async def go():
        guide = Guide(db=Database())
        await guide.run(GOOD_POST_PROCESSOR)
        processor = batchwright.ParallelBatchProcessor(post_processor=guide["good_post_processor"])
        await processor.add_work(batchwright.LLMWorkItem(item_id="1", agent=MockAgent(), prompt="p"))
        await processor.process_all()
        return guide["db"].rows

    assert run_virtual(go()) == [("p",)]


def test_context_is_passed_through():
    async def go():
        database = Database()
        guide = Guide(agent=MockAgent(), data="d", save_for_user=database.save)
        await guide.run(CONTEXT)
        processor = batchwright.ParallelBatchProcessor(post_processor=guide["post_process"])
        await processor.add_work(guide["work_item"])
        result = await processor.process_all()
        return database.rows, result.results[0].context

    assert run_virtual(go()) == ([(123, "Your prompt")], {"user_id": 123, "original_data": "d"})


@pytest.mark.parametrize("block", [CHECK_RATE_LIMITS, VERIFY_STATS])
def test_debugging_tips(block, capsys):
    async def go():
        guide = Guide(processor=batchwright.ParallelBatchProcessor())
        agent = MockAgent(rate_limit_on_call=2, timeout_on_call=range(4, 99))
        for number in range(6):
            await guide["processor"].add_work(batchwright.LLMWorkItem(item_id=str(number), agent=agent, prompt="p"))
        await guide.run(block)

    run_virtual(go())
    said = "Hit 1 rate limits\nError breakdown: {'timeout': 4}\n"
    assert capsys.readouterr().out == (said if block is CHECK_RATE_LIMITS else "")
