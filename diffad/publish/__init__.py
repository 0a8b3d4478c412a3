"""From notebook sources to the executed notebooks that the book publishes.

`catalog.yaml` says which pages there are; each is a py:percent source run by papermill with the page's
parameters. A page is run again when something that it depends on has changed (`inputs`), gets new text around
its outputs where only text changed (`renewal`), is replaced only by a whole notebook (`notebook`, `runner`), and
carries on the page when, where and on what it was computed (`provenance`).

    python -m diffad.publish run            # run what changed
    python -m diffad.publish run --force    # run everything whose data are at hand
    python -m diffad.publish run --text-only  # run nothing, renew the text where the code is the same
    python -m diffad.publish status         # what would be run, and why
"""

from diffad.publish.catalog import Catalog, Page, load_catalog
from diffad.publish.runner import PublishingReport, publish

__all__ = ["Catalog", "Page", "PublishingReport", "load_catalog", "publish"]
