"""Items and results."""

import pytest

from batchwright.live.processor.work import BatchResult, LLMWorkItem, WorkItemResult
from batchwright.testing import MockAgent


async def call(attempt, seconds):
    return None, None


@pytest.mark.parametrize(
    ("ways", "said"),
    [
        ({}, "it has none"),
        ({"agent": MockAgent(), "direct_call": call}, "it has agent and direct_call"),
        ({"agent": MockAgent(), "agent_factory": MockAgent}, "it has agent and agent_factory"),
        ({"agent_factory": MockAgent, "direct_call": call}, "it has agent_factory and direct_call"),
        (
            {"agent": MockAgent(), "agent_factory": MockAgent, "direct_call": call},
            "it has agent and agent_factory and direct_call",
        ),
    ],
)
def test_an_item_has_exactly_one_way_of_being_asked(ways, said):
    with pytest.raises(ValueError, match=f"item 'item_1' needs exactly one of .*; {said}"):
        LLMWorkItem(item_id="item_1", **ways)


@pytest.mark.parametrize("way", [{"agent": MockAgent()}, {"agent_factory": MockAgent}, {"direct_call": call}])
def test_any_of_the_three_will_do(way):
    assert LLMWorkItem(item_id="item_1", **way).prompt == ""


def test_an_agent_that_counts_as_false_is_an_agent():
    class Empty(MockAgent):
        def __len__(self):
            return 0

    with pytest.raises(ValueError, match="agent and direct_call"):
        LLMWorkItem(item_id="item_1", agent=Empty(), direct_call=call)


def test_two_results_share_no_counts():
    first = WorkItemResult(item_id="1", success=True)
    first.token_usage["input_tokens"] += 1
    assert WorkItemResult(item_id="2", success=True).token_usage["input_tokens"] == 0


def test_results_add_up():
    used = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    results = [WorkItemResult(item_id=str(n), success=n > 0, token_usage=used) for n in range(4)]
    batch = BatchResult.of(results)
    assert (batch.total_items, batch.succeeded, batch.failed) == (4, 3, 1)
    assert (batch.total_input_tokens, batch.total_output_tokens) == (12, 8)
