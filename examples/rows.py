"""Ask about every row of a table, and keep the answers beside the rows.

Needs OpenAI's key, or an emulator: BATCHWRIGHT_EMULATOR_URL=http://127.0.0.1:8765.
"""

from pathlib import Path

from pydantic import BaseModel

from batchwright import OpenAILLM, batch_from_csv

TICKETS = """\
id,message
T-100,My order hasn't arrived
T-101,How do I reset my password?
T-102,Please cancel my subscription
"""


class Triage(BaseModel):
    topic: str
    urgent: bool


def main() -> None:
    Path("tickets.csv").write_text(TICKETS, encoding="utf-8")
    answers = batch_from_csv(
        OpenAILLM(),
        "tickets.csv",
        template="Sort this ticket: {message}",
        output="sorted.csv",
        concurrency=3,
        response_model=Triage,
    )
    for prompt, triage in answers:
        print(f"{prompt}: {type(triage).__name__}")
    print(Path("sorted.csv").read_text(encoding="utf-8").splitlines()[0])


if __name__ == "__main__":
    main()
