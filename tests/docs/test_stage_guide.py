"""The examples of the stage processor's guide, against the emulator.

Changed are only the imports (`infra.llm.…` is `batchwright`), the model's name, and `{...}`, which is filled in; what
the guide takes from elsewhere (storage, base stage, prompts, loaders) is a small stand-in.
"""

import importlib
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from batchwright import (
    Checkpoint,
    LLMRequest,
    LLMResult,
    StageStats,
    batch_process_with_preparation,
    stage_logger,
)
from batchwright.config import EMULATOR_VARIABLE
from batchwright.emulator import RunningEmulator, Scenario

MODEL = "openai/gpt-5.4-mini"

# Stand-ins

STAGE_BASE = '''
import json
from pathlib import Path


class StageStorage:
    """A stage's folder: pages in, pages out."""

    def __init__(self, output_dir):
        self.output_dir = output_dir
        output_dir.mkdir(parents=True, exist_ok=True)

    def load_page(self, page_num):
        return self.output_dir / f"{page_num:04d}.png"

    def save_page(self, page_num=None, data=None, storage=None, schema=None, cost_usd=0.0, metrics=None):
        saved = {"data": data, "cost_usd": cost_usd, "metrics": metrics}
        (self.output_dir / f"{page_num:04d}.json").write_text(json.dumps(saved))


class BookStorage:
    def __init__(self, root):
        self.root = Path(root)

    def stage(self, name):
        return StageStorage(self.root / name)


class BaseStage:
    stage_name = "example"
    model = "openai/gpt-5.4-mini"
    max_workers = 4

    def __init__(self, pages):
        self.pages = pages

    def get_progress(self, storage, checkpoint, logger):
        return {"remaining_pages": checkpoint.remaining(self.pages, stage=self.stage_name)}
'''

PROMPTS = """
SYSTEM_PROMPT = "You read pages of books."


def build_user_prompt(page_num, ocr_text="", total_pages=0):
    return f"Page {page_num} of {total_pages}: {ocr_text}"
"""

# The guide: "Build the Three Components"

REQUEST_BUILDER = '''
from typing import Optional

from batchwright import LLMRequest
from .loading import BookStorage, load_image, load_ocr
from .prompts import SYSTEM_PROMPT, build_user_prompt
from .schemas import ResponseSchema

def prepare_request(
    page_num: int,
    storage: BookStorage,
    model: str,
    total_pages: int,
) -> Optional[LLMRequest]:
    """
    Request builder: Load data and construct LLM request.

    Responsibilities:
    - Load images, OCR data, or other inputs
    - Build prompts from templates
    - Construct LLMRequest with response schema

    Returns None if page cannot be processed.
    """
    # Load data
    image = load_image(storage, page_num)
    ocr_data = load_ocr(storage, page_num)

    if not image or not ocr_data:
        return None

    # Build prompts (prompts live here!)
    user_prompt = build_user_prompt(
        ocr_text=ocr_data.text,
        page_num=page_num,
        total_pages=total_pages,
    )

    # Construct request with schema
    response_schema = {
        "type": "json_schema",
        "json_schema": {
            "name": "page_analysis",
            "strict": True,
            "schema": ResponseSchema.model_json_schema()
        }
    }

    return LLMRequest(
        id=f"page_{page_num:04d}",
        model=model,
        messages=[
            {"role": "system", "content": SYSTEM_PROMPT},
            {"role": "user", "content": user_prompt}
        ],
        images=[image],
        response_format=response_schema,
        metadata={"page_num": page_num},
    )
'''

LOADING = """
from types import SimpleNamespace

from PIL import Image

from ..base import BookStorage


def load_image(storage, page_num):
    path = storage.stage("source").load_page(page_num)
    return Image.open(path) if path.exists() else None


def load_ocr(storage, page_num):
    return SimpleNamespace(text=f"text of page {page_num}")
"""

RESULT_HANDLER = '''
from batchwright import LLMResult
from batchwright import llm_result_to_metrics

def create_result_handler(storage, stage_storage, checkpoint, logger, output_schema):
    """
    Result handler factory: Process LLM responses.

    Responsibilities:
    - Extract data from LLMResult
    - Validate with output schema
    - Save to disk
    - Update checkpoint
    """
    def on_result(result: LLMResult):
        if result.success:
            page_num = result.request.metadata['page_num']

            # Extract and validate
            data = result.parsed_json
            validated = output_schema(**data)

            # Save output
            stage_storage.save_page(
                storage=storage,
                page_num=page_num,
                data=validated.model_dump(),
                schema=output_schema,
                cost_usd=result.cost_usd or 0.0,
                metrics=llm_result_to_metrics(result, page_num).model_dump(),
            )

            logger.info(f"✓ Page {page_num} complete")
        else:
            page_num = result.request.metadata.get('page_num', 'unknown')
            logger.error(f"✗ Page {page_num} failed", error=result.error)

    return on_result
'''

SCHEMAS = '''
from pydantic import BaseModel, Field
from typing import List

class BlockClassification(BaseModel):
    """Individual block classification."""
    block_id: int
    classification: str
    confidence: float = Field(ge=0.0, le=1.0)

class ResponseSchema(BaseModel):
    """LLM response schema - what the model returns."""
    blocks: List[BlockClassification] = Field(
        ...,
        description="Block classifications"
    )
'''

# The guide: "Configure the Processor" and "Execute the Batch"

CONFIGURE = """
from batchwright import LLMBatchProcessor, LLMBatchConfig

config = LLMBatchConfig(
    model="openai/gpt-5.4-mini",
    max_workers=10,
    max_retries=3,
)

processor = LLMBatchProcessor(
    checkpoint=checkpoint,
    logger=logger,
    log_dir=Path("label-pages/logs"),
    config=config,
)
"""

EXECUTE = """
from batchwright import batch_process_with_preparation

stats = batch_process_with_preparation(
    stage_name="Vision Analysis",
    pages=remaining_pages,
    request_builder=prepare_request,    # Component 1
    result_handler=handler,              # Component 2
    processor=processor,
    logger=logger,
    # Additional kwargs passed to request_builder
    storage=storage,
    model=config.model,
    total_pages=total_pages,
)
"""

# The guide: "Minimal Example"

EXAMPLE_STAGE = """
# pipeline/example_stage/__init__.py
from batchwright import LLMBatchProcessor, LLMBatchConfig, batch_process_with_preparation
from ..base import BaseStage
from .vision.request_builder import prepare_request
from .vision.result_handler import create_result_handler
from .schemas.page_output import ExamplePageOutput

class ExampleStage(BaseStage):
    def run(self, storage, checkpoint, logger):
        progress = self.get_progress(storage, checkpoint, logger)
        remaining_pages = progress["remaining_pages"]

        if not remaining_pages:
            logger.info("No pages to process")
            return

        # Configure processor
        config = LLMBatchConfig(model=self.model, max_workers=self.max_workers)
        log_dir = storage.stage(self.stage_name).output_dir / "logs"
        processor = LLMBatchProcessor(checkpoint, logger, log_dir, config=config)

        # Create handler
        handler = create_result_handler(
            storage=storage,
            checkpoint=checkpoint,
            logger=logger,
            output_schema=ExamplePageOutput,
        )

        # Process batch
        batch_process_with_preparation(
            stage_name=self.stage_name,
            pages=remaining_pages,
            request_builder=prepare_request,
            result_handler=handler,
            processor=processor,
            logger=logger,
            storage=storage,
            model=self.model,
        )
"""

EXAMPLE_REQUEST_BUILDER = """
# pipeline/example_stage/vision/request_builder.py
from batchwright import LLMRequest
from .prompts import SYSTEM_PROMPT, build_user_prompt
from .schemas import ExampleResponse

def prepare_request(page_num, storage, model):
    image = storage.stage('source').load_page(page_num)

    return LLMRequest(
        id=f"page_{page_num:04d}",
        model=model,
        messages=[
            {"role": "system", "content": SYSTEM_PROMPT},
            {"role": "user", "content": build_user_prompt(page_num)}
        ],
        images=[image],
        response_format={"type": "json_schema", "json_schema": {"schema": ExampleResponse.model_json_schema()}},
        metadata={"page_num": page_num},
    )
"""

EXAMPLE_RESULT_HANDLER = """
# pipeline/example_stage/vision/result_handler.py
def create_result_handler(storage, checkpoint, logger, output_schema):
    def on_result(result):
        if result.success:
            page_num = result.request.metadata['page_num']
            validated = output_schema(**result.parsed_json)
            storage.stage('example').save_page(page_num, validated.model_dump())
            logger.info(f"✓ Page {page_num}")
    return on_result
"""

EXAMPLE_RESPONSE = """
from pydantic import BaseModel


class ExampleResponse(BaseModel):
    label: str
    printed: bool = True
"""

# The guide: "Option 2: Multi-Stage Pattern"

TWO_STAGES = """
from batchwright import LLMBatchProcessor, LLMBatchConfig, batch_process_with_preparation
from .vision.caller_stage1 import prepare_stage1_request
from .vision.caller_stage2 import prepare_stage2_request
from .tools.handlers import create_stage1_handler, create_stage2_handler

config = LLMBatchConfig(model="openai/gpt-5.4-mini")


def run(checkpoint, logger, log_dir_s1, log_dir_s2, pages, storage):
    stage1_remaining = checkpoint.remaining(pages, stage="Stage 1")

    # Stage 1
    processor_s1 = LLMBatchProcessor(checkpoint, logger, log_dir_s1, config=config)
    batch_process_with_preparation(
        stage_name="Stage 1",
        pages=stage1_remaining,
        request_builder=prepare_stage1_request,
        result_handler=create_stage1_handler(storage),
        processor=processor_s1,
        logger=logger,
    )

    stage2_remaining = checkpoint.remaining(pages, stage="Stage 2")

    # Stage 2 (uses Stage 1 results)
    processor_s2 = LLMBatchProcessor(checkpoint, logger, log_dir_s2, config=config)
    batch_process_with_preparation(
        stage_name="Stage 2",
        pages=stage2_remaining,
        request_builder=prepare_stage2_request,
        result_handler=create_stage2_handler(storage),
        processor=processor_s2,
        logger=logger,
    )
"""

CALLER_1 = """
from batchwright import LLMRequest

def prepare_stage1_request(page_num):
    messages = [{"role": "user", "content": f"first look at page {page_num}"}]
    return LLMRequest(id=f"page_{page_num:04d}", messages=messages, metadata={"page_num": page_num})
"""

CALLER_2 = """
from batchwright import LLMRequest
from ..tools.handlers import answers

def prepare_stage2_request(page_num):
    messages = [{"role": "user", "content": f"second look, after: {answers['Stage 1', page_num]}"}]
    return LLMRequest(id=f"page_{page_num:04d}", messages=messages, metadata={"page_num": page_num})
"""

HANDLERS = """
answers = {}

def create_stage1_handler(storage):
    def on_result(result):
        answers["Stage 1", result.request.metadata["page_num"]] = result.text
    return on_result

def create_stage2_handler(storage):
    def on_result(result):
        answers["Stage 2", result.request.metadata["page_num"]] = result.text
    return on_result
"""

FILES = {
    "base.py": STAGE_BASE,
    "labels/prompts.py": PROMPTS,
    "labels/loading.py": LOADING,
    "labels/schemas.py": SCHEMAS,
    "labels/request_builder.py": REQUEST_BUILDER,
    "labels/result_handler.py": RESULT_HANDLER,
    "example_stage/__init__.py": EXAMPLE_STAGE,
    "example_stage/schemas/page_output.py": EXAMPLE_RESPONSE.replace("ExampleResponse", "ExamplePageOutput"),
    "example_stage/vision/request_builder.py": EXAMPLE_REQUEST_BUILDER,
    "example_stage/vision/result_handler.py": EXAMPLE_RESULT_HANDLER,
    "example_stage/vision/prompts.py": PROMPTS,
    "example_stage/vision/schemas.py": EXAMPLE_RESPONSE,
    "two_stages/__init__.py": TWO_STAGES,
    "two_stages/vision/caller_stage1.py": CALLER_1,
    "two_stages/vision/caller_stage2.py": CALLER_2,
    "two_stages/tools/handlers.py": HANDLERS,
}


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    with RunningEmulator(tmp_path_factory.mktemp("emulator"), scenario=Scenario.everywhere()) as emulator:
        yield emulator


@pytest.fixture
def pipeline(tmp_path, monkeypatch, emulator):
    """The guide's files as a package in an empty folder; gives its modules by name."""
    for name, text in FILES.items():
        path = tmp_path / "pipeline" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        for folder in path.relative_to(tmp_path).parents:
            if folder != Path():
                (tmp_path / folder / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    emulator.world.reset()
    monkeypatch.setenv(EMULATOR_VARIABLE, emulator.url)
    yield lambda name: importlib.import_module(f"pipeline.{name}")
    for name in [name for name in sys.modules if name.partition(".")[0] == "pipeline"]:
        del sys.modules[name]


@pytest.fixture
def storage(pipeline, tmp_path):
    """A book of twelve scanned pages; page 7 was never scanned."""
    out = io.BytesIO()
    Image.new("L", (8, 8)).save(out, format="PNG")
    book = pipeline("base").BookStorage(tmp_path / "book")
    for page_num in range(1, 13):
        if page_num != 7:
            book.stage("source").load_page(page_num).write_bytes(out.getvalue())
    return book


def saved(storage, stage):
    return {int(path.stem): json.loads(path.read_text()) for path in storage.stage(stage).output_dir.glob("*.json")}


def live(emulator):
    return emulator.world.store.counters().get(("openai", "live"), 0)


def test_configure_three_components_execute(pipeline, storage, tmp_path):
    checkpoint, logger = Checkpoint("label-pages/checkpoint.jsonl"), stage_logger("label-pages")
    schema = pipeline("labels.schemas").ResponseSchema
    stage_storage = storage.stage("label-pages")
    create = pipeline("labels.result_handler").create_result_handler
    total_pages = 12
    names: dict[str, Any] = {
        "Path": Path,
        "checkpoint": checkpoint,
        "logger": logger,
        "storage": storage,
        "remaining_pages": checkpoint.remaining(range(1, total_pages + 1)),
        "total_pages": total_pages,
        "prepare_request": pipeline("labels.request_builder").prepare_request,
        "handler": create(storage, stage_storage, checkpoint, logger, schema),
    }
    exec(compile(CONFIGURE, "configure", "exec"), names)
    exec(compile(EXECUTE, "execute", "exec"), names)
    stats = names["stats"]
    assert isinstance(stats, StageStats)
    assert (stats["completed"], stats["failed"], stats.skipped) == (11, 0, 1)
    assert stats["total_tokens"] > 0
    assert stats["total_cost_usd"] > 0
    assert stats["elapsed_seconds"] > 0
    pages = saved(storage, "label-pages")
    assert set(pages) == set(range(1, 13)) - {7}
    assert all(schema(**page["data"]) for page in pages.values())
    assert {page["metrics"]["attempts"] for page in pages.values()} == {1}
    assert len(list(Path("label-pages/logs").glob("page_*.json"))) == 11
    assert Checkpoint("label-pages/checkpoint.jsonl").remaining(range(1, 13)) == [7]


def test_the_handlers_failure_branch_works_with_the_logger_we_hand_out(pipeline, storage, caplog):
    handler = pipeline("labels.result_handler").create_result_handler(storage, None, None, stage_logger("labels"), None)
    handler(LLMResult(LLMRequest("page_0003", metadata={"page_num": 3}), success=False, error="it was refused"))
    assert caplog.records[0].getMessage() == "✗ Page 3 failed (error='it was refused')"


def test_the_minimal_example_and_its_second_run(pipeline, storage, emulator):
    storage.stage("source").load_page(7).write_bytes(b"not a picture")
    stage = pipeline("example_stage").ExampleStage(range(1, 13))
    stage.run(storage, Checkpoint("checkpoint.jsonl"), stage_logger("example"))
    assert set(saved(storage, "example")) == set(range(1, 13)) - {7}
    assert live(emulator) == 11

    storage.stage("source").load_page(7).write_bytes(storage.stage("source").load_page(8).read_bytes())
    stage.run(storage, Checkpoint("checkpoint.jsonl"), stage_logger("example"))
    assert set(saved(storage, "example")) == set(range(1, 13))
    assert live(emulator) == 12

    stage.run(storage, Checkpoint("checkpoint.jsonl"), stage_logger("example"))
    assert live(emulator) == 12


def test_two_stages_with_one_checkpoint(pipeline, storage, emulator):
    stages, pages = pipeline("two_stages"), range(1, 6)
    for _ in range(2):  # the second time there is nothing left to do
        stages.run(Checkpoint("c.jsonl"), stage_logger("two"), Path("logs/1"), Path("logs/2"), pages, storage)
    answers = pipeline("two_stages.tools.handlers").answers
    assert answers["Stage 2", 3] == "second look, after: first look at page 3"
    assert len(answers) == 10
    assert live(emulator) == 10
    assert len(list(Path("logs/2").iterdir())) == 5


# The guide: "Key Patterns" and "Common Mistakes"


@pytest.fixture
def process(pipeline):
    """The guide's call, with a checkpoint."""

    def process(build, handle, checkpoint=None, **kwargs):
        names: dict[str, Any] = {"Path": Path, "checkpoint": checkpoint, "logger": stage_logger("patterns")}
        exec(compile(CONFIGURE, "configure", "exec"), names)
        return batch_process_with_preparation("Patterns", range(1, 5), build, handle, names["processor"], **kwargs)

    return process


def request(page_num, model):
    messages = [{"role": "user", "content": f"page {page_num}"}]
    return LLMRequest(id=f"page_{page_num}", model=model, messages=messages, metadata={"page_num": page_num})


def test_patterns_skip_extra_data_metadata_and_a_factory(process):
    def should_skip_page(page_num):
        return page_num == 2

    def prepare_request(page_num, storage, model):
        if should_skip_page(page_num):
            return None  # Skip this page
        ocr_page = storage[page_num]
        return (request(page_num, model), ocr_page)  # Extra data passed to handler via metadata

    def create_result_handler(storage, checkpoint, logger):
        """Factory that captures dependencies in closure."""

        def on_result(result):
            # Has access to storage, checkpoint, logger
            page_num = result.request.metadata["page_num"]
            extra_data = result.request.metadata.get("extra_data")  # From tuple return
            storage[page_num] = (extra_data, result.text)
            checkpoint.mark_completed(page_num)

        return on_result

    checkpoint, storage = Checkpoint("c.jsonl"), {page: f"ocr {page}" for page in range(1, 5)}
    handler = create_result_handler(storage, checkpoint, stage_logger("patterns"))
    stats = process(prepare_request, handler, checkpoint, storage=storage)
    assert (stats.completed, stats.skipped) == (3, 1)
    assert storage == {1: ("ocr 1", "page 1"), 2: "ocr 2", 3: ("ocr 3", "page 3"), 4: ("ocr 4", "page 4")}
    assert checkpoint.remaining(range(1, 5)) == [2]


def test_mistakes_are_explained(process):
    with pytest.raises(TypeError, match=r"uses config\.max_workers"):
        process(request, print, max_workers=10)

    def on_result(result):
        result.metadata["page_num"]  # Wrong

    assert process(request, on_result).failed == 4
