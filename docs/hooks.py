"""MkDocs hooks: add the generated reference to the site, and keep the site from loading anything from elsewhere."""

from __future__ import annotations

import re

from generator.pages import PAGES
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_LOADED = re.compile(r"""<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)=["']?(?:https?:)?//[^>]*>""")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Write each generated page, as if it stood in docs/."""
    for address, write in PAGES.items():
        files.append(File.generated(config, address, content=write()))
    return files


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Refuse a page that loads a script, a style, a font or a picture from another server."""
    loaded = _LOADED.search(output)
    if loaded:
        raise PluginError(f"{page.file.src_uri} loads {loaded[0]}: put the file into docs/assets")
    return output
