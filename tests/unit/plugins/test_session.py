import json

import llm
import pytest
from llm.plugins import pm

from batchwright.cli.datasets.base import Asking, Wish
from batchwright.errors import ConfigurationError, LLMProviderConfigurationError
from batchwright.request import OutputSchema

ASKING = Asking(concurrency=1, log=False)
SCHEMA = OutputSchema(name="answer", schema={"type": "object", "properties": {}})


def extras_of(session, **wish):
    return session.adapted(Wish(**wish)).extras


def test_the_default_model_is_the_tools(plugin, folder, open_session):
    (folder / "default_model.txt").write_text("talk")
    assert open_session().model(None).name == "spoken"


def test_the_guides_configuration_file_is_read(folder, open_session):
    (folder / "batch-config.yaml").write_text(
        "defaults:\n  concurrency: 3\n  rate_limit: 20\n  model: gpt-4o-mini\n  resume_on_failure: true\n"
        "rate_limits:\n  gpt-4o: 30\n  gpt-4o-mini: 60\n  claude-opus: 10\n"
        "output:\n  format: json\n  save_to_logs: true\n"
    )
    preferences = open_session().preferences
    assert (preferences.concurrency, preferences.model, preferences.resume_on_failure) == (3, "gpt-4o-mini", True)
    assert preferences.rate_for(["gpt-4o-mini", "4o-mini"]) == 60
    assert preferences.rate_for(["echo"]) == 20
    assert preferences.format == "json"


def test_a_variable_goes_before_the_files_model(folder, open_session, monkeypatch):
    (folder / "batch-config.yaml").write_text("defaults: {model: gpt-4o-mini}")
    monkeypatch.setenv("LLM_MODEL", "echo")
    assert open_session().preferences.model == "echo"


@pytest.mark.parametrize("text", ["a: [", "defaults: {concurency: 3}", "defaults: 3"])
def test_a_configuration_file_that_cannot_be_used_is_named(folder, open_session, text):
    (folder / "batch-config.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"batch-config\.yaml"):
        _ = open_session().preferences


def test_runs_and_jobs_lie_in_the_tools_folder(folder, open_session):
    assert open_session().workbench.settings.tracking_file == folder / "batch_jobs.json"


def test_a_saved_template_brings_everything_it_has_and_options_go_before_it(plugin, folder, open_session):
    (folder / "templates").mkdir()
    (folder / "templates" / "mood.yaml").write_text(
        "prompt: 'Judge $text'\nsystem: Be kind\nmodel: talk\noptions: {tone: soft}\ntools: [python]\n"
        "schema_object: {type: object, properties: {mood: {type: string}}}\n"
        "functions: |\n  def one() -> int:\n      return 1\n"
    )
    session = open_session(saved_templates=("mood",))
    wish = session.adapted(Wish())
    assert (wish.template, wish.system, wish.model, wish.tools) == ("Judge {text}", "Be kind", "talk", ("python",))
    assert wish.schema.schema["properties"] == {"mood": {"type": "string"}}
    assert wish.extras["options"] == {"tone": "soft"}
    assert "def one" in wish.extras["functions"][0]
    session = open_session(saved_templates=("mood",), options=(("tone", "loud"),), more_tools=("Counter",))
    wish = session.adapted(Wish(system="Be short", model="echo", schema=SCHEMA))
    assert (wish.system, wish.model, wish.schema, wish.tools) == ("Be short", "echo", SCHEMA, ("python", "Counter"))
    assert wish.extras["options"] == {"tone": "loud"}


def test_fragments_are_remembered_by_source_and_length(database, tmp_path, open_session):
    (tmp_path / "voice.txt").write_text("Be kind.")
    session = open_session(fragments=("voice.txt",), system_fragments=("voice.txt",))
    wish = session.adapted(Wish(template="About {text}", system="Short."))
    assert wish.template == "!fragment voice.txt\nAbout {text}"
    assert wish.system == "Be kind.\n\nShort."
    assert wish.extras["fragments"] == [[str(tmp_path / "voice.txt"), 8]]
    assert json.loads(json.dumps(wish.extras)) == wish.extras
    assert session.fragment("voice.txt") == "Be kind."


def test_nothing_asked_for_is_nothing_to_remember(folder, open_session):
    assert open_session().adapted(Wish(template="x")) == Wish(template="x")


def test_a_key_is_remembered_nowhere(folder, open_session):
    session = open_session(key="sk-secret-9")
    assert "sk-secret-9" not in repr(session.adapted(Wish()))


def test_a_stored_key_goes_before_the_variable(folder, open_session, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-variable")
    (folder / "keys.json").write_text('{"openai": "sk-stored", "other": "sk-other"}')

    def key_of(**options):
        session = open_session(**options)
        return session.answerer(session.model("gpt-4o"), ASKING)._asked.key

    assert (key_of(), key_of(key="other"), key_of(key="sk-given")) == ("sk-stored", "sk-other", "sk-given")


def test_a_missing_key_is_the_guides_error(folder, open_session):
    session = open_session()
    with pytest.raises(LLMProviderConfigurationError, match=r"Invalid API key: .*llm keys set openai"):
        session.answerer(session.model("gpt-4o"), ASKING)


@pytest.mark.parametrize(
    ("model", "options", "asking", "why"),
    [
        ("spoken", {"options": (("tune", "x"),)}, {}, "option of spoken: tune"),
        ("spoken", {}, {"schema": True}, "spoken does not support schemas"),
        ("spoken", {}, {"attachments": True}, "spoken does not support attachments"),
        ("spoken", {"more_tools": ("python",)}, {}, "spoken does not support tools"),
        ("echo", {"more_tools": ("nope",)}, {}, "nope not found"),
    ],
)
def test_what_a_model_cannot_do_is_said_before_it_is_asked(plugin, open_session, model, options, asking, why):
    session = open_session(**options)
    wish = session.adapted(Wish())
    with pytest.raises(ConfigurationError, match=why):
        session.answerer(
            session.model(model), Asking(concurrency=1, log=False, tools=wish.tools, extras=wish.extras, **asking)
        )


def test_options_stand_over_the_defaults_that_the_tool_keeps(plugin, folder, open_session):
    (folder / "model_options.json").write_text('{"spoken": {"tone": "soft"}}')
    session = open_session()
    who = session.answerer(session.model("spoken"), ASKING)
    assert who._how.options == {"tone": "soft"}
    said = Asking(concurrency=1, log=False, extras=extras_of(open_session(options=(("tone", "loud"),))))
    assert session.answerer(session.model("spoken"), said)._how.options == {"tone": "loud"}


def test_logging_that_the_tool_switched_off_stays_off(plugin, folder, open_session):
    session = open_session()
    logging = Asking(concurrency=1, log=True)
    assert session.answerer(session.model("spoken"), logging)._log is not None
    (folder / "logs-off").touch()
    assert session.answerer(session.model("spoken"), logging)._log is None
    assert session.answerer(session.model("spoken"), ASKING)._log is None


def test_a_batch_goes_to_our_provider_with_the_tools_key(folder, open_session):
    (folder / "keys.json").write_text('{"openai": "sk-stored"}')
    session = open_session()
    provider = session.provider(session.model("4o-mini"))
    assert (provider.name, provider.model, provider._key) == ("openai", "gpt-4o-mini", "sk-stored")


class ShapedLikeAnthropics(llm.KeyModel):
    model_id, claude_model_id, base_url = "anthropic/claude-sonnet-4-5", "claude-sonnet-4-5", None
    needs_key, key_env_var = "anthropic", "ANTHROPIC_API_KEY"

    def execute(self, prompt, stream, response, conversation, key):
        raise NotImplementedError


class ShapedLikeGoogles(llm.KeyModel):
    model_id, gemini_model_id = "gemini/gemini-2.5-flash", "gemini-2.5-flash"
    needs_key, key_env_var = "gemini", "LLM_GEMINI_KEY"

    def execute(self, prompt, stream, response, conversation, key):
        raise NotImplementedError


class VendorsPlugin:
    @llm.hookimpl
    def register_models(self, register):
        register(ShapedLikeAnthropics(), aliases=("claude-sonnet-4.5",))
        register(ShapedLikeGoogles(), aliases=("gemini-2.5-flash",))


@pytest.mark.parametrize(
    ("typed", "provider_name", "model"),
    [
        ("claude-sonnet-4.5", "anthropic", "claude-sonnet-4-5"),
        ("gemini-2.5-flash", "gemini", "gemini-2.5-flash"),
        ("gemini/gemini-2.5-flash", "gemini", "gemini-2.5-flash"),
    ],
)
def test_models_of_the_vendors_plugins_go_to_our_providers_with_their_stored_keys(
    folder, open_session, typed, provider_name, model
):
    (folder / "keys.json").write_text('{"anthropic": "sk-anthropic", "gemini": "sk-gemini"}')
    vendors = VendorsPlugin()
    llm.get_models_with_aliases()  # loads the installed ones
    pm.register(vendors, name="vendors")
    try:
        session = open_session()
        provider = session.provider(session.model(typed))
    finally:
        pm.unregister(vendors)
    assert (provider.name, provider.model, provider._key) == (provider_name, model, f"sk-{provider_name}")


def test_no_key_of_the_tool_is_sent_to_the_emulator(folder, open_session, monkeypatch):
    monkeypatch.setenv("BATCHWRIGHT_EMULATOR_URL", "http://127.0.0.1:9")
    (folder / "keys.json").write_text('{"openai": "sk-stored"}')
    session = open_session()
    assert session.provider(session.model("gpt-4o"))._key != "sk-stored"


def test_a_model_without_a_batch_api_is_refused(plugin, folder, open_session):
    session = open_session()
    with pytest.raises(ConfigurationError, match="no Batch API has spoken"):
        session.provider(session.model("spoken"))


@pytest.mark.parametrize(
    ("asking", "why"),
    [
        ({"tools": ("python",)}, "--via batch calls no tools"),
        ({"extras": {"functions": ["def f(): pass"]}}, "--via batch calls no tools"),
        ({"extras": {"options": {"temperature": "1"}}}, "--via batch sends no model options: leave temperature out"),
    ],
)
def test_tools_and_options_whoever_brings_them_do_not_go_through_a_batch(plugin, open_session, asking, why):
    session = open_session()
    with pytest.raises(ConfigurationError, match=why):
        session.require_batchable(session.model("gpt-4o"), Asking(concurrency=1, log=False, **asking))


def test_options_that_the_tool_keeps_are_told_to_be_left_out(plugin, folder, open_session, capfd):
    (folder / "model_options.json").write_text('{"gpt-4o": {"temperature": 0.5}}')
    session = open_session()
    session.require_batchable(session.model("gpt-4o"), ASKING)
    assert "does not send what `llm models options` has set for gpt-4o: temperature" in capfd.readouterr().err
