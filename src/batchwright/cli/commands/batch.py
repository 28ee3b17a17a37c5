"""`batch`: runs over datasets with batchwright's own providers."""

from batchwright.cli.datasets.group import batch_group
from batchwright.cli.datasets.own import OurBackend

command = batch_group(OurBackend())
