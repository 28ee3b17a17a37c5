"""One client for a model over a whole run, where the model lets us give it one.

The tool's own models, and those that plugins derive from them, open a client for every prompt: a connection, its
encryption and its certificates each time. They do so in a method, `get_client`, which can be replaced on the model
that is asked. Models without that method (those of llm-anthropic and llm-gemini, say) stay as they are.
"""

import threading
from typing import Any


class KeptClients:
    """The clients of one model, made when they are first asked for."""

    def __init__(self, model: Any) -> None:
        self._clients: dict[bool, Any] = {}
        self._lock = threading.Lock()
        self._make: Any = getattr(model, "get_client", None)
        if self._make is not None:
            model.get_client = self._get_client

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._clients)

    def _get_client(self, key: str | None, *, async_: bool = False) -> Any:
        with self._lock:
            if async_ not in self._clients:
                client = self._make(key, async_=async_)
                # Who asks again, and when, the engine decides, for all prompts together.
                self._clients[async_] = client.with_options(max_retries=0) if _retries(client) else client
            return self._clients[async_]

    async def aclose(self) -> None:
        """Close them; the next prompt would open new ones."""
        clients, self._clients = self._clients, {}
        for is_async, client in clients.items():
            if is_async:
                await client.close()
            else:
                client.close()


def _retries(client: Any) -> bool:
    return hasattr(client, "with_options") and hasattr(client, "max_retries")
