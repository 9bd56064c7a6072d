"""Arguments of commands, as argparse reads them."""

from __future__ import annotations

from pathlib import Path

from harness.paths import user_path


def path_argument(text: str) -> Path:
    """A path, `~` for the person's home.

    Raises:
        ConfigError: no path can be so.
    """
    return user_path(text, "the path")
