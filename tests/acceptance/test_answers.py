"""Answers as models really give them: unreadable, cut short, of another shape, about other issues."""

import json

import pytest

GOOD = {"issue_id": 0, "error_category": "SPELLING_ERROR", "confidence_score": 90, "reasoning": "It is misspelt."}


@pytest.fixture
def asked(bare, vendor):
    """A document with two issues, waiting at a vendor that answers as a test says."""
    bare.make_document([("has", "the class **has** gone"), ("teh", "to **teh** sea")])
    bare.url = vendor.url
    bare.run("batch-create", "--provider", "openai", check=0)
    return bare


UNUSABLE = (
    ("I am sorry, there is nothing I can say.", "stop"),
    ("", "stop"),
    ('{"verdict": "fine"}', "stop"),
    ("[1, 2]", "stop"),
    ('"SPELLING_ERROR"', "stop"),
    ('[{"issue_id": 0, "error_cat', "length"),
)


def test_answers_that_cannot_be_used_lose_nothing_and_may_be_asked_again(bare, vendor):
    bare.make_document([(f"has {number}", "the class **has** gone") for number in range(len(UNUSABLE))])
    bare.url = vendor.url
    create = ("batch-create", "--provider", "openai", "--batch-size", "1")
    bare.run(*create, check=0)
    vendor.answers = UNUSABLE
    done = bare.run("batch-fetch", "--check-all-pending", "--strict", check=3)
    assert done.stderr.count("Warning: ") >= len(UNUSABLE)
    assert "Traceback" not in done.stderr
    assert bare.reports == []
    assert f"{len(UNUSABLE)} of {len(UNUSABLE)} " in bare.run("batch-list", "--show-errors", check=0).stdout

    assert f"Total batches: {len(UNUSABLE)}" in bare.run(*create, check=0).stdout
    vendor.answers = [(json.dumps([GOOD | {"issue_id": number}]), "stop") for number in range(len(UNUSABLE))]
    bare.run("batch-fetch", "--check-all-pending", "--strict", check=0)
    assert len(bare.rows(bare.reports[0])) == len(UNUSABLE)


def test_single_answers_that_are_wrong_are_warned_about_in_the_guides_words_and_the_rest_is_kept(asked, vendor):
    wrong = [{"issue_id": 999, **{k: v for k, v in GOOD.items() if k != "issue_id"}}, {"issue_id": 1}]
    vendor.answers = [(f"Here you are:\n```json\n{json.dumps([GOOD, *wrong])}\n```", "stop")]
    done = asked.run("batch-fetch", "--check-all-pending", "--strict", check=3)
    assert "Warning: Issue ID 999 not in batch, skipping" in done.stderr
    assert "Warning: Issue 1 missing required fields" in done.stderr
    assert [row["issue_id"] for row in asked.rows(asked.reports[0])] == ["0"]
    assert "(1 issues)" in asked.run("batch-create", "--provider", "openai", check=0).stdout


def test_confidences_between_0_and_1_are_scaled(asked, vendor):
    vendor.answers = [
        (json.dumps([GOOD | {"confidence_score": 0.9}, GOOD | {"issue_id": 1, "confidence_score": 0.35}]), "stop")
    ]
    asked.run("batch-fetch", "--check-all-pending", "--strict", check=0)
    assert [row["confidence_score"] for row in asked.rows(asked.reports[0])] == ["90", "35"]


def test_a_formula_in_an_answer_is_disarmed_on_request(asked, vendor):
    vendor.answers = [
        (json.dumps([GOOD | {"issue_id": n, "reasoning": '=HYPERLINK("http://x")'} for n in (0, 1)]), "stop")
    ]
    asked.run("batch-fetch", "--check-all-pending", "--csv-safe", check=0)
    assert all(not row["reasoning"].startswith("=") for row in asked.rows(asked.reports[0]))


ESCAPES = "\x1b]0;owned\x07\x1b[2J\x1b[31m\u202e\x9b1m"


def harmless(done):
    shown = done.stdout + done.stderr
    return not any(mark in shown for mark in ("\x1b", "\x07", "\x9b", "\u202e"))


def test_escape_sequences_in_documents_and_answers_do_not_reach_the_terminal(bare, vendor):
    bare.make_document([(f"has{ESCAPES}", f"{ESCAPES} has")], text=f"{ESCAPES}\n{{x}}-----{ESCAPES}\nthe page\n")
    bare.url = vendor.url
    vendor.answers = [(json.dumps([{"issue_id": ESCAPES}, GOOD | {"reasoning": f"Quite{ESCAPES} so."}]), "stop")]
    create = ("batch-create", "--provider", "openai", "-v")
    assert harmless(bare.run(*create, "--dry-run", check=0))
    assert harmless(bare.run(*create, check=0))
    assert harmless(bare.run("batch-fetch", "--check-all-pending", "-v", check=0))
    for words in (
        ["batch-list", "--show-errors", "--batches"],
        ["batch-list", "--json"],
        ["batch-show", "job-", "--full"],
    ):
        assert harmless(bare.run(*words, check=0)), words
    (row,) = bare.rows(bare.reports[0])
    assert "\x1b" not in row["reasoning"]


def test_escape_sequences_in_a_vendors_words_do_not_reach_the_terminal(bare, vendor):
    bare.make_document([("has", "the class **has** gone")])
    bare.url = vendor.url
    vendor.job_error = f"It failed.{ESCAPES}"
    bare.run("batch-create", "--provider", "openai", check=0)
    assert harmless(bare.run("batch-watch", "-v", check=5))
    for words in (["batch-list", "--show-errors"], ["batch-list", "--json"], ["batch-show", "job-"]):
        assert harmless(bare.run(*words, check=0)), words
    vendor.refusal = f"No.{ESCAPES}"
    refused = bare.run("batch-create", "--provider", "openai", "--force", "-v")
    assert refused.returncode != 0
    assert "No." in refused.stdout + refused.stderr
    assert harmless(refused)
