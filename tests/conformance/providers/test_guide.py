"""The complete example of the Gemini batch guide, word for word but for its imports, against the emulator."""

import re
import time

import pytest
from starlette.testclient import TestClient

from batchwright.emulator import Scenario, create_app
from batchwright.providers import vendor

EXAMPLE = """
import time
from batchwright import LLMService, GeminiLLM, LLMProviderError

# Initialize service
service = LLMService([
    GeminiLLM(system_prompt="prompts/categorise.md", filter_json=True),
])

# Prepare batch requests
documents = [
    "Geography GCSE specification document",
    "French GCSE speaking assessment",
    "Mathematics GCSE past paper 2023",
]

batch_payload = [
    [f"Categorize this document: {doc}"]
    for doc in documents
]

# Create batch job
print("Creating batch job...")
provider_name, job_name = service.create_batch_job(batch_payload, filter_json=True)
print(f"Created job: {job_name}")

# Poll for completion (implement your own polling strategy)
print("Waiting for completion...")
while True:
    status = service.get_batch_job_status(provider_name, job_name)
    if status.done:
        break
    print(f"  Status: {status.state}")
    time.sleep(10)

# Fetch results
print("Fetching results...")
results = service.fetch_batch_results(provider_name, job_name)

# Process results
for i, (doc, result) in enumerate(zip(documents, results)):
    print(f"\\nDocument: {doc}")
    print(f"Category: {result}")
"""


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A folder with a prompt, and an emulator whose clock is moved by `time.sleep`."""
    now = [1_793_534_400.0]
    # The model is one that answers in JSON: a list of verdicts, empty for a prompt without issues.
    scenario = Scenario.everywhere(in_progress_s=25, responder="categorise")
    app = create_app(tmp_path / "emulator", scenario=scenario, clock=lambda: now[0])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/categorise.md").write_text("Answer as JSON.")
    monkeypatch.setenv("BATCHWRIGHT_EMULATOR_URL", "http://testserver")
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    client = TestClient(app)
    real = vendor.open_client
    monkeypatch.setattr(vendor, "open_client", lambda **options: real(**{**options, "through": client}))
    yield client
    app.state.world.close()


def test_the_guides_example_runs_with_only_its_imports_changed(world, capsys):
    exec(compile(EXAMPLE, "guide", "exec"), {"__name__": "__main__"})
    said = capsys.readouterr().out
    assert "Created job: batches/" in said
    assert said.count("  Status: ") >= 3
    assert re.findall(r"Document: (.*)\nCategory: (.*)", said) == [
        ("Geography GCSE specification document", "[]"),
        ("French GCSE speaking assessment", "[]"),
        ("Mathematics GCSE past paper 2023", "[]"),
    ]
