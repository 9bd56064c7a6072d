"""MkDocs hook: add the generated reference to the site."""

from __future__ import annotations

from generator.pages import PAGES
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Write each generated page, as if it stood in docs/."""
    for address, write in PAGES.items():
        files.append(File.generated(config, address, content=write()))
    return files
