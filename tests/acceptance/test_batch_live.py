"""`batchwright batch FILE`: rows of a file answered now, as its users meet it."""

import csv
import json
import os
import re
import signal
import sqlite3
import time
from collections import Counter

import pytest

PATIENCE = 60.0
REVIEWS = """customer_id,review_text
1001,"Amazing product! Highly recommend."
1002,"Not worth the money."
1003,"Good quality, fast shipping."
"""


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def runs_of(place, *words):
    return json.loads(place.run("batch", "list", "--json", *words, check=0).stdout)["runs"]


def only_run(place):
    (run,) = runs_of(place)
    return run


def until(condition):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come to pass")


def completed_in(place, run_id):
    """How many answers the run database has: what any process may read while another writes."""
    path = place.folder / "data" / "batch.db"
    if not path.exists():
        return 0
    db = sqlite3.connect(path)
    try:
        found = db.execute("SELECT completed_prompts FROM batch_runs WHERE id = ?", [run_id]).fetchone()
    except sqlite3.OperationalError:  # its tables are being made
        found = None
    finally:
        db.close()
    return 0 if found is None else found[0]


def prompts_asked(place, provider="openai"):
    """How often each prompt was asked live."""
    return Counter(entry["prompt"] for entry in place.emulator.log(provider, "request") if entry["job"] is None)


def strike(place, *faults):
    place.emulator.behave(faults=[{"provider": "openai", "on": ["live"]} | fault for fault in faults])


def ask(place, *words, check=0, **more):
    return place.run("batch", *words, "--provider", "openai", check=check, **more)


def questions(place, count, name="questions.txt"):
    lines = [f"question number {number}" for number in range(count)]
    (place.folder / name).write_text("".join(f"{line}\n" for line in lines))
    return lines


@pytest.fixture
def place(bare):
    (bare.folder / "reviews.csv").write_text(REVIEWS)
    return bare


def test_a_line_is_a_prompt_and_answers_are_printed_in_order(place):
    lines = questions(place, 20)
    done = ask(place, "questions.txt", "--concurrency", "5")
    assert done.stdout.splitlines() == lines
    assert "Done: 20 of 20" in done.stderr
    assert re.search(r"Cost: \$0\.\d+", done.stderr)


def test_the_workflow_of_the_guide_gives_its_columns(place):
    words = ("reviews.csv", "--template", "Analyze sentiment (positive/negative/neutral): {review_text}")
    done = ask(
        place, *words, "--output", "sentiment_results.csv", "--model", "gpt-4o-mini", "--rate-limit", "2000",
        "--concurrency", "3",
    )  # fmt: skip
    assert done.stdout == ""
    assert "Output: sentiment_results.csv" in done.stderr
    rows = rows_of(place.folder / "sentiment_results.csv")
    assert list(rows[0]) == ["customer_id", "review_text", "response"]
    assert [row["customer_id"] for row in rows] == ["1001", "1002", "1003"]
    assert rows[1]["response"] == "Analyze sentiment (positive/negative/neutral): Not worth the money."


@pytest.mark.parametrize("format_", ["json", "jsonl", "csv"])
def test_printed_answers_come_in_the_format_that_was_asked_for(place, format_):
    done = ask(place, "reviews.csv", "--template", "{customer_id}", "--format", format_)
    read = {
        "json": json.loads,
        "jsonl": lambda text: [json.loads(line) for line in text.splitlines()],
        "csv": lambda text: list(csv.DictReader(text.splitlines())),
    }[format_]
    assert [row["response"] for row in read(done.stdout)] == ["1001", "1002", "1003"]


def test_a_schema_makes_columns_and_answers_that_do_not_fit_are_marked(place):
    questions(place, 60)
    strike(place, {"name": "empty_answer", "every": 20})
    done = ask(place, "questions.txt", "--schema", "mood, score int", "--output", "out.csv", check=3)
    rows = rows_of(place.folder / "out.csv")
    assert [row["prompt"] for row in rows] == [f"question number {number}" for number in range(60)]
    failed = [row for row in rows if row["error"]]
    assert len(failed) == 3
    assert all(row["mood"] and int(row["score"]) is not None for row in rows if not row["error"])
    assert "Failed: 3" in done.stderr
    assert "questions.txt, line" in done.stderr
    run = only_run(place)
    assert (run["completed_prompts"], run["failed_prompts"], run["status"]) == (57, 3, "completed")
    shown = place.run("batch", "status", run["id"], check=0).stdout
    assert "Failed prompts: 3" in shown
    assert "Errors:" in shown

    strike(place)
    again = ask(place, "questions.txt", "--resume")
    assert "3 of 60 rows left" in again.stderr
    assert not any("error" in row for row in rows_of(place.folder / "out.csv"))
    assert prompts_asked(place).total() == 63


def test_an_answer_in_a_fence_is_kept_as_what_it_means(place):
    strike(place, {"name": "fenced_answer"})
    done = ask(place, "reviews.csv", "--schema", "mood")
    assert [list(json.loads(line)) for line in done.stdout.splitlines()] == [["mood"]] * 3


def test_stop_on_error_stops_with_what_it_has(place):
    questions(place, 50)
    strike(place, {"name": "empty_answer", "after": 10, "times": 1})
    done = ask(place, "questions.txt", "--schema", "mood", "--output", "out.csv", "--stop-on-error", check=3)
    rows = rows_of(place.folder / "out.csv")
    assert len(rows) == 11
    assert [bool(row["error"]) for row in rows] == [False] * 10 + [True]
    assert "Stopped at the first row that failed: questions.txt, line 11" in done.stderr
    assert only_run(place)["status"] == "failed"
    ask(place, "questions.txt", "--resume")
    assert len(rows_of(place.folder / "out.csv")) == 50
    assert prompts_asked(place).total() == 51


def test_the_next_provider_takes_over_when_a_quota_is_used_up_and_the_cache_stays_the_firsts(place):
    lines = questions(place, 10)
    settings = {"LLM_FALLBACK": "anthropic,gemini"}
    strike(place, {"name": "credit_exhausted", "after": 4})
    done = ask(place, "questions.txt", "--output", "out.csv", "--cache", env=settings)
    assert "going on with anthropic" in done.stderr
    assert [row["response"] for row in rows_of(place.folder / "out.csv")] == lines
    assert (place.emulator.stats("openai")["live"], place.emulator.stats("anthropic")["live"]) == (4, 6)
    strike(place)
    again = ask(place, "questions.txt", "--output", "again.csv", "--cache")
    assert "Answered by an earlier run: 4" in again.stderr


def test_without_a_successor_a_used_up_quota_ends_the_run_with_7_and_it_goes_on(place):
    lines = questions(place, 10)
    strike(place, {"name": "credit_exhausted", "after": 4})
    done = ask(place, "questions.txt", "--output", "out.csv", check=7)
    assert "Traceback" not in done.stderr
    strike(place)
    ask(place, "questions.txt", "--resume")
    assert [row["response"] for row in rows_of(place.folder / "out.csv")] == lines
    assert set(prompts_asked(place).values()) == {1}


def test_equal_prompts_are_paid_once(place):
    (place.folder / "same.txt").write_text("hello\nworld\n" * 30)
    done = ask(place, "same.txt", "--concurrency", "4")
    assert done.stdout.splitlines() == ["hello", "world"] * 30
    assert prompts_asked(place) == {"hello": 1, "world": 1}
    assert "Equal prompts, paid once: 58" in done.stderr
    ask(place, "same.txt", "--no-dedupe")
    assert prompts_asked(place).total() == 62


def test_a_cache_pays_only_for_what_changed(place):
    ask(place, "reviews.csv", "--cache")
    (place.folder / "reviews.csv").write_text(REVIEWS + "1004,New\n")
    done = ask(place, "reviews.csv", "--cache", "--format", "jsonl")
    assert len(done.stdout.splitlines()) == 4
    assert "Answered by an earlier run: 3" in done.stderr
    assert prompts_asked(place).total() == 4
    ask(place, "reviews.csv", "--cache", "--system", "Be brief.")
    assert prompts_asked(place).total() == 8, "another system prompt is another question"


def test_a_killed_run_is_interrupted_and_goes_on_without_asking_twice(place):
    lines = questions(place, 300)
    strike(place, {"name": "hang", "seconds": 0.05})
    words = ("batch", "questions.txt", "--provider", "openai", "--concurrency", "10", "--output", "out.csv")
    running = place.start(*words, "--batch-id", "long")
    until(lambda: completed_in(place, "long") >= 50)
    running.kill()
    running.communicate()
    run = only_run(place)
    assert run["status"] == "interrupted"
    assert (place.folder / "out.csv.part").exists()
    assert not (place.folder / "out.csv").exists()
    kept = run["completed_prompts"]
    calls = prompts_asked(place).total()

    strike(place)
    refused = ask(place, "questions.txt", "--output", "out.csv", check=2)
    assert "--resume goes on with its run, --overwrite replaces it" in refused.stderr
    done = ask(place, "questions.txt", "--resume", "--concurrency", "10")
    assert f"{300 - kept} of 300 rows left" in done.stderr
    assert [row["response"] for row in rows_of(place.folder / "out.csv")] == lines
    again = {prompt: count for prompt, count in prompts_asked(place).items() if count > 1}
    assert len(again) <= calls - kept, "only calls whose answers were not on disk yet"
    assert set(again.values()) <= {2}
    assert only_run(place)["status"] == "completed"


def test_ctrl_c_pauses_a_run_and_says_how_to_go_on(place):
    questions(place, 200)
    strike(place, {"name": "hang", "seconds": 0.05})
    running = place.start("batch", "questions.txt", "--provider", "openai", "--output", "out.csv", "--batch-id", "mine")
    until(lambda: completed_in(place, "mine") >= 3)
    running.send_signal(signal.SIGINT)
    _, stderr = running.communicate(timeout=PATIENCE)
    assert running.returncode == 130
    assert "batchwright batch questions.txt --resume --batch-id mine" in stderr
    assert "Traceback" not in stderr
    assert only_run(place)["status"] == "paused"
    assert "out.csv.part" in stderr


def test_a_run_is_seen_and_stopped_from_another_terminal(place):
    questions(place, 2_000)
    strike(place, {"name": "hang", "seconds": 0.02})
    running = place.start("batch", "questions.txt", "--provider", "openai", "--batch-id", "long", "--output", "o.csv")
    until(lambda: completed_in(place, "long") >= 10)
    shown = place.run("batch", "status", "long", check=0).stdout
    assert "Status: running" in shown
    assert "Total prompts: 2000" in shown
    assert re.search(r"Completed prompts: [1-9]", shown)
    assert re.search(r"Current rate: \d+\.\d prompts a minute", shown)
    assert re.search(r"Estimated time remaining: \d+:\d\d:\d\d", shown)
    assert re.search(r"Cost: \$", shown)
    assert "is being worked on at this moment" in ask(place, "questions.txt", "--resume", check=2).stderr
    began = time.monotonic()
    cancelled = place.run("batch", "cancel", "long", check=0)
    assert "Run long is paused" in cancelled.stdout
    running.communicate(timeout=PATIENCE)
    assert time.monotonic() - began < 10
    assert running.returncode == 130
    assert [run["id"] for run in runs_of(place, "--status", "paused")] == ["long"]
    assert "not running: it is paused" in place.run("batch", "cancel", "long", check=0).stdout


def test_two_runs_share_a_database(place):
    first, second = questions(place, 200, "one.txt"), questions(place, 200, "two.txt")
    running = [
        place.start("batch", name, "--provider", "openai", "--concurrency", "8", "--output", f"{name}.csv")
        for name in ("one.txt", "two.txt")
    ]
    for process in running:
        _, stderr = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, stderr
    for name, lines in (("one.txt", first), ("two.txt", second)):
        assert [row["response"] for row in rows_of(place.folder / f"{name}.csv")] == lines
    assert [run["status"] for run in runs_of(place)] == ["completed", "completed"]


def test_only_the_newest_runs_are_listed(place):
    for name in ("one", "two", "three"):
        ask(place, "reviews.csv", "--batch-id", name)
    assert [run["id"] for run in runs_of(place, "--limit", "2")] == ["three", "two"]
    assert "one" in place.run("batch", "list", check=0).stdout
    assert runs_of(place, "--status", "failed") == []


def test_a_resumed_run_has_to_ask_the_same(place):
    questions(place, 30)
    strike(place, {"name": "empty_answer", "after": 10, "times": 1})
    schema = ("--schema", "mood")
    ask(place, "questions.txt", "--template", "Say {prompt}", *schema, "--stop-on-error", "--batch-id", "r", check=3)
    other = ask(place, "questions.txt", "--resume", "--template", "Sing {prompt}", "--system", "Be kind.", check=2)
    assert "the run r cannot go on, because this differs from how it began: another template, another system" in (
        other.stderr
    )
    other = ask(place, "questions.txt", "--resume", "--model", "gpt-4o", check=2)
    assert "another model (openai/gpt-4o, not openai/" in other.stderr
    (place.folder / "questions.txt").write_text("changed\n")
    changed = ask(place, "questions.txt", "--resume", check=2)
    assert "questions.txt changed since the run began" in changed.stderr
    questions(place, 30)
    ask(place, "questions.txt", "--resume", "--template", "Say {prompt}")


def test_of_several_runs_the_newest_that_is_not_complete_goes_on(place):
    questions(place, 20)
    strike(place, {"name": "empty_answer", "times": 1})
    ask(place, "questions.txt", "--schema", "mood", "--batch-id", "first", check=3)
    ask(place, "questions.txt", "--batch-id", "second")
    again = ask(place, "questions.txt", "--resume")
    assert "Run first: 1 of 20 rows left" in again.stderr
    assert "is complete" in ask(place, "questions.txt", "--resume").stderr
    other = ask(place, "questions.txt", "--resume", "--batch-id", "first", "--via", "batch")
    assert "The run first is complete" in other.stderr


def test_a_complete_run_has_nothing_to_go_on_with(place):
    ask(place, "reviews.csv")
    done = ask(place, "reviews.csv", "--resume")
    assert "is complete" in done.stderr
    assert "there is no run of questions.txt" in ask(place, "questions.txt", "--resume", check=2).stderr


def test_an_estimate_is_shown_in_the_guides_lines_and_nothing_sent_until_somebody_agrees(place):
    words = ("reviews.csv", "--model", "gpt-4o-mini", "--estimate-cost")
    done = ask(place, *words)
    assert re.search(r"^Estimated tokens: [\d,-]+ input, [\d,-]+ output$", done.stdout, re.MULTILINE)
    assert re.search(
        r"^Estimated cost \(openai/gpt-4o-mini\): \$\S+ live; \$\S+ with --via batch$", done.stdout, re.MULTILINE
    )
    assert re.search(r"^Estimated time: .+(second|minute|hour)s?$", done.stdout, re.MULTILINE)
    assert place.emulator.stats("openai")["live"] == 0
    ask(place, *words, "--yes")
    assert place.emulator.stats("openai")["live"] == 3


def test_a_budget_refuses_and_stops(place):
    questions(place, 40)
    done = ask(place, "questions.txt", "--max-cost", "0.0000001", check=6)
    assert "nothing was sent: it costs at least" in done.stderr
    assert runs_of(place) == []
    ask(place, "questions.txt", "--model", "gpt-4o-mini")
    (place.folder / "long.txt").write_text("".join(f"{number} {'word ' * 200}\n" for number in range(40)))
    words = ("long.txt", "--model", "gpt-4o-mini", "--max-cost", "0.003", "--batch-id", "b")
    stopped = ask(place, *words, check=6)  # its answers turn out longer than those it was estimated by
    assert "stopped: " in stopped.stderr
    status = json.loads(place.run("batch", "status", "b", "--json", check=0).stdout)
    assert 0.0015 < float(status["cost_usd"]) <= 0.003
    assert status["status"] == "paused"
    ask(place, "long.txt", "--resume", "--max-cost", "1")
    assert place.emulator.stats("openai")["live"] == 80


def test_what_a_run_cost_is_in_the_ledger(place):
    ask(place, "reviews.csv", "--batch-id", "mine")
    assert "mine" in place.run("costs", "--by", "run", check=0).stdout


def test_settings_give_defaults_and_a_models_own_limit_goes_before_the_general(place):
    (place.folder / "batchwright.toml").write_text(
        '[batch.defaults]\nconcurrency = 3\nrate_limit = 5\nmodel = "openai/gpt-4o-mini"\n'
        '[batch.rate_limits]\n"gpt-4o-mini" = 6000\n'
    )
    place.run("batch", "reviews.csv", check=0)
    db = sqlite3.connect(place.folder / "data" / "batch.db")
    (config,) = db.execute("SELECT config FROM batch_runs").fetchone()
    db.close()
    config = json.loads(config)
    assert (config["concurrency"], config["rate_limit"]) == (3, 6000)
    (place.folder / "batchwright.toml").write_text("[batch.defaults]\nconcurency = 3\n")
    assert "is it concurrency?" in place.run("batch", "reviews.csv", check=2).stderr


def test_a_run_that_did_not_end_well_goes_on_by_itself_where_that_is_set(place):
    (place.folder / "batchwright.toml").write_text("[batch.defaults]\nresume_on_failure = true\n")
    questions(place, 20)
    strike(place, {"name": "empty_answer", "after": 5, "times": 1})
    ask(place, "questions.txt", "--schema", "mood", "--stop-on-error", check=3)
    ask(place, "questions.txt", "--schema", "mood", "--system", "Be kind.")
    assert [run["status"] for run in runs_of(place)] == ["completed", "failed"], "another question is another run"
    ask(place, "questions.txt", "--schema", "mood", "--batch-id", "other")
    assert prompts_asked(place).total() == 46


def test_what_goes_on_by_itself_is_the_newest_run_and_the_same(place):
    (place.folder / "batchwright.toml").write_text("[batch.defaults]\nresume_on_failure = true\n")
    questions(place, 20)
    strike(place, {"name": "empty_answer", "after": 5, "times": 1})
    ask(place, "questions.txt", "--schema", "mood", "--stop-on-error", check=3)
    done = ask(place, "questions.txt", "--schema", "mood")
    assert "15 of 20 rows left" in done.stderr
    assert only_run(place)["status"] == "completed"
    assert prompts_asked(place).total() == 21


def test_standard_input_is_an_input(place):
    done = place.shell("printf 'one\\ntwo\\n' | python -m batchwright batch - --provider openai")
    assert (done.returncode, done.stdout) == (0, "one\ntwo\n"), done.stderr


def test_a_reader_that_leaves_stops_nothing(place):
    questions(place, 300)
    done = place.shell("set -o pipefail; python -m batchwright batch questions.txt --provider openai | head -1")
    assert done.stdout == "question number 0\n"
    assert only_run(place)["completed_prompts"] == 300


BAD = {
    "missing file": (["nope.csv"], None, "Input file not found: nope.csv"),
    "empty file": (["bad.csv"], b"", "the input file is empty: bad.csv"),
    "only a header": (["bad.csv"], b"a,b\n", "the input file has no rows: bad.csv"),
    "ragged row": (["bad.csv"], b"a,b\n1,2\n1,2,3\n", "bad.csv, line 3: the row has 3 cell(s)"),
    "broken JSON": (["bad.jsonl"], b'{"a": 1}\n{"a": \n', "bad.jsonl, line 2"),
    "not UTF-8": (["bad.csv"], "a,b\nd\u00e9j\u00e0,vu\n".encode("latin-1"), "--encoding"),
    "unknown column": (["reviews.csv", "--template", "{nope}"], None, "Template variable not found: nope"),
    "blank prompt": (["bad.csv"], b"prompt\nhello\n \n", "bad.csv, line 3: the prompt is empty"),
    "unknown model": (["reviews.csv", "--model", "gtp-4o"], None, "Unknown model: gtp-4o (nearest: gpt-4o"),
    "rate limit of 0": (["reviews.csv", "--rate-limit", "0"], None, "'--rate-limit'"),
    "concurrency of 0": (["reviews.csv", "--concurrency", "0"], None, "'--concurrency'"),
    "duplicate ids": (
        ["bad.csv", "--id-column", "id"],
        b"id,text\n7,a\n8,b\n7,c\n",
        "bad.csv, line 4: the id '7' in column 'id' is also in bad.csv, line 2",
    ),
    "unwritable output": (["reviews.csv", "--output", "reviews.csv/out.csv"], None, "cannot write reviews.csv/out.csv"),
    "output of no format": (["reviews.csv", "--output", "out.xyz"], None, "no format ends in '.xyz'"),
    "no such folder of rows": (["."], None, "the input is a folder"),
    "too long a prompt": (
        ["bad.txt", "--model", "openai/gpt-4"],
        b"x" * 200_000,
        "bad.txt, line 1: the prompt has about 50,000 tokens, and openai/gpt-4 takes 8,192 at most",
    ),
    "no schema": (["reviews.csv", "--schema", "nope.json"], None, "no such file: nope.json"),
    "an id that cannot be": (["reviews.csv", "--batch-id", "../up"], None, "--batch-id '../up' cannot be"),
    "tools": (["reviews.csv", "--tools", "python"], None, "tools are the llm tool's"),
    "two templates": (["reviews.csv", "--template", "a", "--template-file", "b"], None, "give one of them"),
    "no row that is meant": (["reviews.csv", "--where", "customer_id=1"], None, "no row of reviews.csv is meant"),
    "unknown setting": (["reviews.csv", "--attachment-column", "nope"], None, "nope"),
}


@pytest.mark.parametrize(("words", "content", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_before_anything_is_sent_and_nothing_is_lost(place, words, content, message):
    if content is not None:
        (place.folder / words[0]).write_bytes(content)
    done = place.run("batch", *words, check=2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert place.emulator.total("live") == 0
    assert runs_of(place) == []


def test_bad_rows_can_be_left_out(place):
    (place.folder / "bad.csv").write_text("a,b\n1,2\n1,2,3\n3,4\n")
    done = ask(place, "bad.csv", "--skip-bad-rows", "--format", "jsonl")
    assert [json.loads(line)["a"] for line in done.stdout.splitlines()] == ["1", "3"]
    assert "1 bad row(s) are left out: bad.csv, line 3" in done.stderr


def test_another_encoding_can_be_named(place):
    (place.folder / "bad.csv").write_bytes("prompt\nd\u00e9j\u00e0 vu\n".encode("latin-1"))
    assert ask(place, "bad.csv", "--encoding", "latin-1").stdout == "d\u00e9j\u00e0 vu\n"


def test_an_output_of_another_run_is_not_touched(place):
    (place.folder / "out.csv").write_text("precious\n")
    refused = ask(place, "reviews.csv", "--output", "out.csv", check=2)
    assert "out.csv is there already and belongs to another run" in refused.stderr
    assert (place.folder / "out.csv").read_text() == "precious\n"
    assert place.emulator.stats("openai")["live"] == 0
    ask(place, "reviews.csv", "--output", "out.csv", "--overwrite")
    assert len(rows_of(place.folder / "out.csv")) == 3


def test_a_missing_key_is_named(bare):
    (bare.folder / "reviews.csv").write_text(REVIEWS)
    no_emulator = type(bare)(bare.folder, None, bare.home)
    done = no_emulator.run("batch", "reviews.csv", "--provider", "openai", check=4)
    assert "OPENAI_API_KEY" in done.stderr
    assert no_emulator.run("batch", "reviews.csv", "--provider", "openai", "--estimate-cost", check=0)


def test_an_id_that_is_taken_is_refused_and_its_run_is_untouched(place):
    ask(place, "reviews.csv", "--batch-id", "mine")
    assert "there is a run mine already" in ask(place, "reviews.csv", "--batch-id", "mine", check=2).stderr
    assert only_run(place)["status"] == "completed"


def test_a_file_that_is_named_like_a_command_is_given_as_a_path(place):
    (place.folder / "list").write_text("hello\n")
    assert ask(place, "./list").stdout == "hello\n"


def test_images_go_along(place):
    picture = b"\x89PNG\r\n\x1a\n" + os.urandom(32)
    (place.folder / "one.png").write_bytes(picture)
    (place.folder / "pictures.csv").write_text("prompt,file\nWhat is it?,one.png\nWhat is it?,\n")
    done = ask(place, "pictures.csv", "--template", "{prompt}", "--attachment-column", "file")
    assert len(done.stdout.splitlines()) == 2
    assert place.emulator.stats("openai")["live"] == 2, "the same words about another picture are another prompt"
