"""Write a job's requests into the file that is uploaded, byte for byte as it is sent."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from batchwright.providers.base import WireFormat
from batchwright.request import Request


def write_payload(path: Path, wire: WireFormat, requests: Iterable[Request]) -> int:
    """Write `requests` to `path` and return how many there were, in the memory of one request.

    Raises `ConfigurationError` for a request that the vendor cannot take.
    """
    count = 0
    with path.open("wb") as file:
        file.write(wire.head)
        for request in requests:
            if count:
                file.write(wire.separator)
            file.write(wire.encode(request))
            count += 1
        file.write(wire.tail)
    return count


def read_payload(path: Path, wire: WireFormat) -> Iterator[bytes]:
    """Yield the requests of a wire file one by one, as they were encoded, in the memory of one request.

    Every vendor's form puts a request on a line of its own; a JSON text holds no line end.
    """
    framing = {wire.head.strip(), wire.tail.strip(), b""}
    mark = wire.separator.strip()
    with path.open("rb") as file:
        for line in file:
            request = line.rstrip(b"\r\n").removesuffix(mark)
            if request.strip() not in framing:
                yield request
