import pytest

from batchwright.cli.datasets.preferences import Preferences, preferences_from
from batchwright.errors import ConfigurationError

GUIDE = {
    "defaults": {"concurrency": 3, "rate_limit": 20, "model": "gpt-4o-mini", "resume_on_failure": True},
    "rate_limits": {"gpt-4o": 30, "gpt-4o-mini": 60, "claude-opus": 10},
    "output": {"format": "json", "save_to_logs": True},
}


def test_the_guides_file_is_read():
    assert preferences_from(GUIDE, "batch-config.yaml") == Preferences(
        concurrency=3,
        rate_limit=20.0,
        model="gpt-4o-mini",
        resume_on_failure=True,
        rate_limits={"gpt-4o": 30.0, "gpt-4o-mini": 60.0, "claude-opus": 10.0},
        format="json",
        save_to_logs=True,
    )


@pytest.mark.parametrize("nothing", [None, {}, {"defaults": None}, {"rate_limits": {"gpt-4o": None}}])
def test_what_is_not_set_is_not_set(nothing):
    assert preferences_from(nothing, "file") == Preferences()


def test_an_option_goes_before_a_models_limit_and_that_before_the_default():
    preferences = preferences_from(GUIDE, "file")
    assert preferences.rate_for(("gpt-4o",), 5.0) == 5
    assert preferences.rate_for(("gpt-4o",)) == 30
    assert preferences.rate_for(("openai/gpt-4o-mini", "gpt-4o-mini")) == 60
    assert preferences.rate_for(("unheard-of",)) == 20
    assert Preferences().rate_for(("gpt-4o",)) is None


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "file: it is []; it is a table"),
        ({"default": {}}, "file: no setting 'default' in it; is it defaults?"),
        ({"defaults": {"concurency": 1}}, "is it concurrency?"),
        ({"defaults": {"xyzzy": 1}}, "known: concurrency, rate_limit, model, resume_on_failure"),
        ({"defaults": {"concurrency": 0}}, "defaults.concurrency is 0; it is a whole number of 1 or more"),
        ({"defaults": {"concurrency": True}}, "defaults.concurrency is True"),
        ({"defaults": {"rate_limit": 0}}, "defaults.rate_limit is 0; it is a number of prompts a minute"),
        ({"defaults": {"rate_limit": float("nan")}}, "defaults.rate_limit is nan"),
        ({"defaults": {"model": 4}}, "defaults.model is 4; it is a text"),
        ({"defaults": {"resume_on_failure": "yes"}}, "resume_on_failure is 'yes'; it is true or false"),
        ({"rate_limits": {"gpt-4o": "fast"}}, "rate_limits.gpt-4o is 'fast'"),
        ({"rate_limits": 5}, "rate_limits is 5; it is a table"),
        ({"output": {"format": "xml"}}, "output.format is 'xml'; known: csv, json, jsonl, parquet"),
        ({"output": {"save_to_logs": 1}}, "output.save_to_logs is 1"),
    ],
)
def test_what_is_wrong_is_named_with_what_it_should_be(document, message):
    with pytest.raises(ConfigurationError) as caught:
        preferences_from(document, "file")
    assert message in str(caught.value)
