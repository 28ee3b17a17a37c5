import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import llm
import pytest

from batchwright.plugins.llm.clients import KeptClients


@pytest.fixture
def model(folder):
    model = llm.get_async_model("gpt-4o")
    model.key = "sk-nothing"
    return model


def test_a_model_is_given_one_client_for_all_its_prompts(model):
    clients = KeptClients(model)
    first = model.get_client("sk-nothing", async_=True)
    assert model.get_client("sk-nothing", async_=True) is first
    assert clients.count == 1
    asyncio.run(clients.aclose())


def test_a_kept_client_does_not_ask_again_by_itself(model):
    clients = KeptClients(model)
    assert model.get_client("sk-nothing", async_=True).max_retries == 0
    asyncio.run(clients.aclose())


def test_a_closed_client_is_not_given_out_again(model):
    async def twice():
        clients = KeptClients(model)
        first = model.get_client("sk-nothing", async_=True)
        await clients.aclose()
        second = model.get_client("sk-nothing", async_=True)
        await clients.aclose()
        return first, second

    first, second = asyncio.run(twice())
    assert first is not second
    assert first.is_closed()
    assert second.is_closed()


def test_threads_that_begin_together_share_one_client(folder):
    model = llm.get_model("gpt-4o")
    model.key = "sk-nothing"
    clients = KeptClients(model)
    together = threading.Barrier(8)

    def ask(_):
        together.wait()
        return id(model.get_client("sk-nothing"))

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(8)))) == 1
    asyncio.run(clients.aclose())


def test_a_model_that_makes_its_clients_otherwise_is_left_alone(plugin):
    model = llm.get_model("spoken")
    before = dict(vars(model))
    assert KeptClients(model).count == 0
    assert vars(model) == before
