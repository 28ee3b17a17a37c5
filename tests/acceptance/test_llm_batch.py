"""`llm batch` as users of the llm tool meet it: the real tool as a subprocess, in a folder of its own.

Each command line of the guide runs as it is written there. Without `--model` it asks llm-echo; the vendors' models
are those of `extra-openai-models.yaml`, whose address is the emulator's.
"""

import csv
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlite_utils
from llm.migrations import migrate

PATIENCE = 90.0
PLUGIN = '''
import os, time
import llm

class Slow(llm.Model):
    """Takes its time, and writes down what it was asked."""
    model_id = "slow"
    def execute(self, prompt, stream, response, conversation):
        with open(os.environ["ASKED"], "a") as file:
            file.write(prompt.prompt + "\\n")
        time.sleep(0.05)
        response.set_usage(input=3, output=2)
        yield "answer to " + prompt.prompt

@llm.hookimpl
def register_models(register):
    register(Slow())

@llm.hookimpl
def register_tools(register):
    def python(code: str) -> str:
        """Run Python."""
        return "ran " + code
    register(python)
'''
FILES = {
    "questions.txt": (
        "What is the capital of France?\nWhat is the capital of Germany?\n\nWhat is the capital of Italy?\n"
    ),
    "prompts.txt": "Say hello\nSay goodbye\n",
    "products.csv": (
        "product_name,description\n"
        'Laptop,"A portable computer"\nPhone,"A mobile communication device"\nTablet,"A touchscreen computing device"\n'
    ),
    "reviews.json": json.dumps(
        [
            {"review": "Great product, very satisfied!", "rating": 5},
            {"review": "Decent but overpriced", "rating": 3},
            {"review": "Terrible quality", "rating": 1},
        ]
    ),
    "reviews.csv": (
        'customer_id,review_text\n1001,"Amazing product! Highly recommend."\n1002,"Not worth the money."\n'
        '1003,"Good quality, fast shipping."\n'
    ),
    "data.csv": "id,text\n1,A long text\n2,A longer text\n",
    "items.json": json.dumps([{"name": "one"}, {"name": "two"}]),
    "translations.csv": 'id,english_description\nP001,"High quality leather wallet"\nP002,"Steel water bottle"\n',
    "tickets.json": json.dumps(
        [
            {"ticket_id": "T-100", "message": "My order hasn't arrived"},
            {"ticket_id": "T-101", "message": "How do I reset my password?"},
            {"ticket_id": "T-102", "message": "Billing charge error"},
        ]
    ),
    "blog_posts.csv": (
        'title,summary\n"10 Tips for Better Sleep","Proven strategies"\n"Meal Prep","Quick and nutritious"\n'
    ),
}


@dataclass
class Tool:
    """The llm tool in a folder of its own, and files to ask about."""

    folder: Path
    variables: dict
    quick: Path
    """The folder of programs that run like the installed ones, and sooner: the tool takes seconds to start."""

    @property
    def home(self):
        return Path(self.variables["LLM_USER_PATH"])

    def shell(self, script, *, check=0, answers=None, installed=False):
        """Run lines as a person types them."""
        path = self.variables["PATH"] if installed else f"{self.quick}{os.pathsep}{self.variables['PATH']}"
        done = subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=self.folder,
            env=self.variables | {"PATH": path},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            input=answers,
            check=False,
        )
        assert done.returncode == check, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *words):
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return subprocess.Popen(
                [sys.executable, "-m", "llm", "batch", *words],
                cwd=self.folder,
                env=self.variables,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        finally:
            signal.signal(signal.SIGINT, before)

    def rows(self, name):
        with (self.folder / name).open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def json(self, name):
        return json.loads((self.folder / name).read_text())

    def runs(self):
        """The rows of the guide's table, whoever else writes to it."""
        path = self.home / "batch.db"
        if not path.exists():
            return []
        with closing(sqlite3.connect(path)) as db:
            db.row_factory = sqlite3.Row
            try:
                return [dict(row) for row in db.execute("SELECT * FROM batch_runs ORDER BY created_at")]
            except sqlite3.OperationalError:  # its tables are being made
                return []

    def asked(self):
        """What the slow model was asked, in order."""
        path = Path(self.variables["ASKED"])
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """The tool's database with its tables, which take seconds to make."""
    path = tmp_path_factory.mktemp("llm") / "logs.db"
    database = sqlite_utils.Database(path)
    migrate(database)
    database.close()
    return path


@pytest.fixture
def tool(bare, empty_database):
    home, plugins = bare.home / "llm", bare.home / "plugins"
    home.mkdir()
    shutil.copy(empty_database, home / "logs.db")
    (home / "default_model.txt").write_text("echo")
    (home / "extra-openai-models.yaml").write_text(
        "".join(
            f"- model_id: {name}\n  model_name: {name}\n  api_base: {bare.url}/openai/v1\n  supports_schema: true\n"
            for name in ("gpt-4o", "gpt-4o-mini", "claude-opus")
        )
    )
    package = plugins / "llm_slow-0.1.dist-info"
    package.mkdir(parents=True)
    (plugins / "llm_slow.py").write_text(PLUGIN)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: llm-slow\nVersion: 0.1\n")
    (package / "entry_points.txt").write_text("[llm]\nslow = llm_slow\n")
    for name, text in FILES.items():
        (bare.folder / name).write_text(text)
    variables = bare.environment({"LLM_USER_PATH": str(home), "PYTHONPATH": str(plugins)})
    variables["ASKED"] = str(bare.home / "asked.txt")
    del variables["BATCHWRIGHT_EMULATOR_URL"]
    return Tool(bare.folder, variables, bare.quick)


def echoed(text):
    return json.loads(text)["prompt"]


def until(condition):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come to pass")


def test_step_by_step_as_complete_beginners_are_told(tool):
    done = tool.shell("llm batch questions.txt", installed=True)
    answers = [echoed(block) for block in re.findall(r"^\{$.*?^\}$", done.stdout, re.MULTILINE | re.DOTALL)]
    assert answers == [line for line in FILES["questions.txt"].splitlines() if line]
    assert "Done: 3 of 3" in done.stderr
    assert "price unknown" in done.stderr
    logs = tool.shell("llm logs -n 10", installed=True).stdout
    assert all(answer in logs for answer in answers)
    (run,) = tool.runs()
    columns = {"id", "created_at", "input_file", "output_file", "model", "total_prompts", "completed_prompts"}
    assert columns | {"failed_prompts", "status", "config"} <= set(run)
    assert (run["model"], run["total_prompts"], run["completed_prompts"], run["status"]) == ("echo", 3, 3, "completed")


def test_csv_with_a_template(tool):
    tool.shell("""
        llm batch products.csv \\
          --template "Write a 50-word marketing description for a {product_name}. Context: {description}" \\
          --output results.csv
    """)
    rows = tool.rows("results.csv")
    assert list(rows[0]) == ["product_name", "description", "response"]
    assert echoed(rows[0]["response"]) == (
        "Write a 50-word marketing description for a Laptop. Context: A portable computer"
    )


def test_json_rows(tool):
    tool.shell("""
        llm batch reviews.json \\
          --template "Analyze this review sentiment: {review}" \\
          --output analysis.json
    """)
    rows = tool.json("analysis.json")
    assert [row["rating"] for row in rows] == [5, 3, 1]
    assert echoed(rows[2]["response"]) == "Analyze this review sentiment: Terrible quality"


def test_the_advanced_options(tool):
    began = time.monotonic()
    tool.shell("head -n 2 questions.txt > two.txt && llm batch two.txt --rate-limit 10")
    assert time.monotonic() - began > 6  # seconds between two of ten in a minute
    tool.shell("""
        llm batch questions.txt --concurrency 5
        llm batch questions.txt --model gpt-4o
        llm batch questions.txt --output my_results.csv
    """)
    assert [run["model"] for run in tool.runs()] == ["echo", "echo", "gpt-4o", "echo"]
    assert list(tool.rows("my_results.csv")[0]) == ["prompt", "response"]


def test_the_complete_workflow(tool, bare):
    tool.shell("""
        llm batch reviews.csv \\
          --template "Analyze sentiment (positive/negative/neutral): {review_text}" \\
          --output sentiment_results.csv \\
          --model gpt-4o-mini \\
          --rate-limit 20 \\
          --concurrency 3
    """)
    rows = tool.rows("sentiment_results.csv")
    assert list(rows[0]) == ["customer_id", "review_text", "response"]
    assert [row["customer_id"] for row in rows] == ["1001", "1002", "1003"]
    assert bare.emulator.stats("openai")["live"] == 3
    shown = tool.shell("""
        llm logs --model gpt-4o-mini -n 50
        llm logs --search "sentiment positive"
    """).stdout
    assert shown.count("Analyze sentiment (positive/negative/neutral): Not worth the money.") >= 2


def test_the_examples_of_the_command_reference(tool):
    tool.shell("""
        llm batch prompts.txt
        llm batch data.csv --template "Summarize: {text}"
        llm batch items.json --rate-limit 30 --concurrency 2
        llm batch reviews.csv --model claude-opus --output analysis.json
    """)
    assert [run["status"] for run in tool.runs()] == ["completed"] * 4
    assert [row["customer_id"] for row in tool.json("analysis.json")] == ["1001", "1002", "1003"]


def test_the_performance_tips(tool):
    tool.shell("""
        cp data.csv large_file.csv
        cp data.csv huge_file.csv
        llm batch large_file.csv --concurrency 5
        llm batch huge_file.csv --output results.json
    """)
    assert [row["id"] for row in tool.json("results.json")] == ["1", "2"]


def test_the_three_examples_from_the_real_world(tool):
    tool.shell("""
        llm batch translations.csv \\
          --template "Translate to Spanish: {english_description}" \\
          --output products_spanish.csv \\
          --model gpt-4o-mini
        llm batch tickets.json \\
          --template "Classify this support ticket into: Shipping, Account, Billing, or Other. Ticket: {message}" \\
          --output classified_tickets.json \\
          --rate-limit 30
        llm batch blog_posts.csv \\
          --template "Write an engaging Twitter post (max 280 chars) for this blog: {title}. Summary: {summary}" \\
          --output tweets.csv \\
          --model gpt-4o
    """)
    assert list(tool.rows("products_spanish.csv")[0]) == ["id", "english_description", "response"]
    assert echoed(tool.json("classified_tickets.json")[1]["response"]).endswith("Ticket: How do I reset my password?")
    assert [row["title"] for row in tool.rows("tweets.csv")] == ["10 Tips for Better Sleep", "Meal Prep"]


def test_fragments_and_saved_templates(tool):
    tool.shell("""
        echo "We {speak} kindly." > voice.txt
        llm fragments set company-voice voice.txt
        llm --system 'Be $tone' 'Judge: $text' --save mood
        llm batch data.csv \\
          --template "!fragment company-voice Summarize: {text}" \\
          --output results.csv
        llm batch data.csv -t mood -p tone kind -f company-voice --output judged.csv
    """)
    assert echoed(tool.rows("results.csv")[0]["response"]) == "We {speak} kindly.\n Summarize: A long text"
    judged = json.loads(tool.rows("judged.csv")[1]["response"])
    assert (judged["prompt"], judged["system"]) == ("We {speak} kindly.\n\nJudge: A longer text", "Be kind")
    with closing(sqlite3.connect(tool.home / "logs.db")) as db:
        assert db.execute("SELECT count(*) FROM turn_fragments").fetchone() == (2,)
        assert db.execute("SELECT count(*) FROM fragments").fetchone() == (1,), "the text is kept once"
    again = tool.shell("llm batch data.csv -t mood -p tone kind -f company-voice --output judged.csv --resume")
    assert "is complete" in again.stderr


def test_tools_of_a_plugin_are_called(tool):
    call = {"prompt": "go", "tool_calls": [{"name": "python", "arguments": {"code": "6 * 7"}}]}
    with (tool.folder / "questions.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["question"], [json.dumps(call)]])
    tool.shell("""
        llm batch questions.csv \\
          --template "{question}" \\
          --tools python \\
          --output answers.csv
    """)
    (row,) = tool.rows("answers.csv")
    assert [found["output"] for found in json.loads(row["response"])["tool_results"]] == ["ran 6 * 7"]
    assert "ran 6 * 7" in tool.shell("llm logs -n 1").stdout
    refused = tool.shell("llm batch questions.csv --tools pyhton", check=2)
    assert "Tool(s) pyhton not found; is it python?" in refused.stderr


def test_answers_that_fit_a_schema_become_columns(tool):
    tool.shell("llm batch data.csv --model gpt-4o-mini --schema 'mood, score int' --output moods.csv")
    rows = tool.rows("moods.csv")
    assert list(rows[0]) == ["id", "text", "mood", "score"]
    assert all(row["mood"] and int(row["score"]) is not None for row in rows)


def test_the_offline_models_are_logged_and_found(tool):
    tool.shell("""
        llm batch questions.txt --model markov -o length 5 --concurrency 2
        llm batch prompts.txt --no-log
    """)
    found = tool.shell("llm logs --search 'capital of Germany'").stdout
    assert "Model: **markov**" in found
    assert "goodbye" not in tool.shell("llm logs -n 0").stdout


def test_the_estimate_asks_before_anything_is_sent(tool, bare):
    done = tool.shell("llm batch data.csv --model gpt-4o-mini --estimate-cost", answers="n\n")
    assert re.search(r"^Estimated tokens: [\d,-]+ input, [\d,-]+ output$", done.stdout, re.MULTILINE)
    assert re.search(r"^Estimated cost \(gpt-4o-mini\): ", done.stdout, re.MULTILINE)
    assert re.search(r"^Estimated time: ", done.stdout, re.MULTILINE)
    assert bare.emulator.stats("openai")["live"] == 0
    tool.shell("llm batch data.csv --model gpt-4o-mini --estimate-cost --yes")
    assert bare.emulator.stats("openai")["live"] == 2


def test_the_configuration_file_of_the_guide_counts(tool):
    (tool.home / "batch-config.yaml").write_text(
        "defaults:\n  concurrency: 3\n  rate_limit: 6000\n  model: gpt-4o-mini\n  resume_on_failure: true\n"
        "rate_limits:\n  gpt-4o: 30\n  gpt-4o-mini: 600\n  claude-opus: 10\n"
        "output:\n  format: json\n  save_to_logs: false\n"
    )
    tool.shell("llm batch data.csv && llm batch data.csv -m echo --rate-limit 900")
    first, second = tool.runs()
    config = json.loads(first["config"])
    assert (first["model"], config["rate_limit"], config["concurrency"]) == ("gpt-4o-mini", 600, 3)
    assert (second["model"], json.loads(second["config"])["rate_limit"]) == ("echo", 900)
    assert "A long text" not in tool.shell("llm logs -n 0").stdout


def test_a_run_is_listed_looked_at_and_cancelled_while_it_runs_and_goes_on(tool):
    lines = [f"question {number}" for number in range(2000)]
    (tool.folder / "questions.txt").write_text("".join(f"{line}\n" for line in lines))
    running = tool.start("questions.txt", "--model", "slow", "--no-log", "--batch-id", "mine", "--output", "out.csv")
    until(lambda: [run for run in tool.runs() if run["completed_prompts"] > 3])
    assert "mine" in tool.shell("llm batch list --status running --limit 5").stdout
    shown = tool.shell("llm batch status mine").stdout
    for word in ("Total prompts: 2000", "Completed prompts:", "Failed prompts: 0", "time remaining", "Current rate"):
        assert word in shown
    tool.shell("llm batch cancel mine")
    _, stderr = running.communicate(timeout=PATIENCE)
    assert "llm batch questions.txt --resume --batch-id mine" in stderr
    (run,) = tool.runs()
    assert run["status"] == "paused"
    kept = run["completed_prompts"]
    assert 3 < kept < 2000
    tool.shell("llm batch questions.txt --resume --batch-id mine --concurrency 40 --no-log")
    assert [row["response"] for row in tool.rows("out.csv")] == [f"answer to {line}" for line in lines]
    assert set(tool.asked()) == set(lines)
    assert len(tool.asked()) <= len(lines) + 1, "nothing twice but the call in flight"


def test_a_killed_run_goes_on_without_asking_twice(tool):
    lines = [f"question {number}" for number in range(200)]
    (tool.folder / "questions.txt").write_text("".join(f"{line}\n" for line in lines))
    running = tool.start("questions.txt", "--model", "slow", "--output", "out.csv", "--concurrency", "4")
    until(lambda: [run for run in tool.runs() if run["completed_prompts"] > 20])
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    (run,) = tool.runs()
    asked = len(tool.asked())
    assert "interrupted" in tool.shell("llm batch list").stdout
    tool.shell("llm batch questions.txt --resume --concurrency 40")
    assert [row["response"] for row in tool.rows("out.csv")] == [f"answer to {line}" for line in lines]
    twice = len(tool.asked()) - len(set(tool.asked()))
    assert set(tool.asked()) == set(lines)
    assert twice <= asked - run["completed_prompts"], "only what was in flight"


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("llm batch nothing.csv", 2, "Input file not found: nothing.csv"),
        ("llm batch data.csv --template '{nope}'", 2, "Template variable not found: nope"),
        ("llm batch data.csv --model ecko", 2, "Unknown model: ecko; is it echo"),
        (
            "llm batch data.csv --model gpt-4.1",
            4,
            "Invalid API key: no key found; set your API key for gpt-4.1: llm keys",
        ),
        ("llm batch data.csv -t nope", 2, "Invalid template: nope"),
        ("llm batch data.csv -f nope", 2, "Fragment 'nope' not found"),
        ("llm batch data.csv --schema name", 2, "echo does not support schemas"),
        ("llm batch data.csv --via batch", 2, "no Batch API has echo"),
    ],
)
def test_what_cannot_be_is_said_in_the_guides_words_and_nothing_is_asked(tool, line, code, words):
    done = tool.shell(line, check=code)
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert [run for run in tool.runs() if run["completed_prompts"]] == []


def test_failed_rows_are_marked_and_told(tool, bare):
    bare.emulator.behave(faults=[{"provider": "openai", "on": ["live"], "name": "empty_answer"}])
    done = tool.shell("llm batch prompts.txt --model gpt-4o --output out.csv --concurrency 2", check=3)
    assert [row["error"] for row in tool.rows("out.csv")] == ["the answer holds no text"] * 2
    assert "Failed: 2" in done.stderr
    bare.emulator.behave(faults=[])
    tool.shell("llm batch prompts.txt --model gpt-4o --output out.csv --resume")
    assert [row["response"] for row in tool.rows("out.csv")] == ["Say hello", "Say goodbye"]


def test_keys_that_the_tool_stores_go_before_the_environment(tool):
    tool.variables["LLM_ECHO_NEEDS_KEY_KEY"] = "from-the-environment"
    tool.shell("llm batch data.csv --model echo-needs-key --limit 1 --output a.csv")
    tool.shell("llm keys set echo-needs-key --value stored")
    tool.shell("llm batch data.csv --model echo-needs-key --limit 1 --output b.csv")
    keys = [json.loads(tool.rows(name)[0]["response"])["key"] for name in ("a.csv", "b.csv")]
    assert keys == ["from-the-environment", "stored"]
    with closing(sqlite3.connect(tool.home / "batch.db")) as db:
        assert "stored" not in "".join(config for (config,) in db.execute("SELECT config FROM batch_runs"))


def test_the_batch_api_answers_for_a_model_that_has_one(tool, bare):
    tool.variables["BATCHWRIGHT_EMULATOR_URL"] = bare.url
    tool.shell(
        "llm batch reviews.csv --model gpt-4.1-mini --via batch --template '{review_text}' --output out.csv --yes"
    )
    assert [row["customer_id"] for row in tool.rows("out.csv")] == ["1001", "1002", "1003"]
    assert all(row["response"] for row in tool.rows("out.csv"))
    assert bare.emulator.stats("openai")["live"] == 0


LOGGED = "SELECT text FROM parts JOIN turns ON parts.message_hash = turns.tip_message_hash ORDER BY turns.id"


def logged(tool):
    """The answers in the tool's database, in its order."""
    with closing(sqlite3.connect(tool.home / "logs.db")) as db:
        return [text for (text,) in db.execute(LOGGED)]


VIA_BATCH = "llm batch reviews.csv --model gpt-4.1-mini --via batch --batch-id mine --output out.csv"
ASKED = ["sent 1001", "sent 1002", "sent 1003"]


def test_answers_of_a_batch_api_are_in_the_tools_logs_once(tool, bare):
    tool.variables["BATCHWRIGHT_EMULATOR_URL"] = bare.url
    tool.shell(f"{VIA_BATCH} --template 'sent {{customer_id}}' --system 'Be brief'")
    assert logged(tool) == ASKED
    shown = json.loads(tool.shell("llm logs --search 1002 --json").stdout)
    assert [(row["prompt"], row["system"], row["model"]) for row in shown] == [
        ("sent 1002", "Be brief", "gpt-4.1-mini")
    ]
    tool.shell("llm batch reviews.csv --resume")
    assert logged(tool) == ASKED


def test_what_another_program_collected_is_logged_when_the_run_is_asked_for(tool, bare):
    tool.variables["BATCHWRIGHT_EMULATOR_URL"] = bare.url
    bare.emulator.behave(in_progress_s=3600)
    words = VIA_BATCH.split()[2:]
    asking = tool.start(*words, "--template", "sent {customer_id}")
    until(lambda: bare.emulator.total("creates"))
    until(lambda: "submitted_at" in (tool.home / "batch_jobs.json").read_text())
    asking.kill()
    asking.communicate()
    bare.emulator.advance(3601)
    bare.run("batch-fetch", "--check-all-pending", "--tracking-file", tool.home / "batch_jobs.json", check=0)
    assert logged(tool) == []
    tool.shell("llm batch reviews.csv --resume")
    assert logged(tool) == ASKED
    assert bare.emulator.total("creates") == 1


def test_a_run_that_is_kept_out_of_the_logs_stays_out(tool, bare):
    tool.variables["BATCHWRIGHT_EMULATOR_URL"] = bare.url
    tool.shell(f"{VIA_BATCH} --no-log")
    tool.shell("llm batch reviews.csv --resume")
    assert logged(tool) == []


def test_tools_of_a_saved_template_are_refused_before_a_batch_is_made(tool, bare):
    tool.variables["BATCHWRIGHT_EMULATOR_URL"] = bare.url
    templates = tool.home / "templates"
    templates.mkdir()
    (templates / "helped.yaml").write_text("prompt: $input\ntools: [python]\n")
    for words in ("-t helped", "--tools python", "-T python", "--functions 'def f(): pass'"):
        assert "--via batch calls no tools" in tool.shell(f"{VIA_BATCH} {words}", check=2).stderr
    assert bare.emulator.total("creates") == 0
