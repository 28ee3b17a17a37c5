import asyncio
import json
import sqlite3
import subprocess
import sys

import llm

from batchwright.plugins.llm.log import AnswerLog


def answered(count, *, model="echo", **settings):
    found = llm.get_model(model)
    responses = [found.prompt(f"question {number}", **settings) for number in range(count)]
    for response in responses:
        response.text()
    return responses


def logged(path, chains):
    async def write():
        log = AnswerLog(path)
        for chain in chains:
            await log.add(chain)
        await log.aclose()

    asyncio.run(write())


def turns(path):
    with sqlite3.connect(path) as db:
        return [id_ for (id_,) in db.execute("select id from turns order by id")]


def test_what_was_logged_is_what_the_tool_shows(database, capfd):
    responses = answered(60, system="Be kind")
    logged(database, [[response] for response in responses])
    shown = subprocess.run(
        [sys.executable, "-m", "llm", "logs", "-n", "0", "--json"], capture_output=True, text=True, check=True
    )
    rows = json.loads(shown.stdout)
    assert {row["id"] for row in rows} == {response.id for response in responses}
    assert {(row["model"], row["system"]) for row in rows} == {("echo", "Be kind")}


def test_many_answers_share_a_transaction(database, monkeypatch):
    commits = []
    monkeypatch.setattr(sqlite3, "connect", _counting(sqlite3.connect, commits))
    responses = answered(120)
    logged(database, [[response] for response in responses])
    assert len(turns(database)) == 120
    assert sum("COMMIT" in statement for statement in commits) < 60


def _counting(connect, commits):
    def counted(*words, **settings):
        connection = connect(*words, **settings)
        connection.set_trace_callback(commits.append)
        return connection

    return counted


def test_an_answer_that_cannot_be_logged_spoils_no_other_and_is_told(database, capfd):
    good, bad = answered(3), object()
    logged(database, [[good[0]], [bad], [good[1]], [good[2]]])
    assert turns(database) == [response.id for response in good]
    assert "Warning: 1 answer(s) could not be logged" in capfd.readouterr().err


def test_a_database_that_cannot_be_opened_costs_no_answer(folder, capfd):
    logged(folder / "no" / "logs.db", [[response] for response in answered(2)])
    assert "2 answer(s) could not be logged" in capfd.readouterr().err


def test_nothing_logged_is_no_database(folder):
    logged(folder / "logs.db", [])
    assert not (folder / "logs.db").exists()


def test_whoever_brings_more_than_is_written_waits_and_nothing_is_lost(database, monkeypatch):
    monkeypatch.setattr("batchwright.plugins.llm.log._MOST_WAITING", 4)
    responses = answered(60)
    logged(database, [[response] for response in responses])
    assert len(turns(database)) == 60
