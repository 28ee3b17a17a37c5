"""The task `categorise`: what kind of finding each issue of a language checker's report really is."""

from batchwright.tasks.categorise.task import CategoriseTask
from batchwright.tasks.categorise.verdicts import Category

__all__ = ["CategoriseTask", "Category"]
