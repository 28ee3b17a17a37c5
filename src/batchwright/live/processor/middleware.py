"""What may change an item before it is asked, and its result afterwards."""

from batchwright.live.processor.work import LLMWorkItem, WorkItemResult


class Middleware:
    """Override what you need; a class of your own with only some of these methods will do as well, async or not.

    What a middleware raises is logged, and the item goes on as if that method were not there.
    """

    async def before_process(self, work_item: LLMWorkItem) -> LLMWorkItem | None:
        """Return the item, or another instead, or None to skip it: it then fails with the error "skipped"."""
        return work_item

    async def after_process(self, result: WorkItemResult) -> WorkItemResult:
        """Return the result, or another instead; called for success and failure, the last middleware first."""
        return result

    async def on_error(self, work_item: LLMWorkItem, error: BaseException) -> WorkItemResult | None:  # noqa: ARG002  (the seam's)
        """Return a result instead of the failure, or None; called once, when no attempt is left."""
        return None
