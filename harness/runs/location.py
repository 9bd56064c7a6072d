"""Where runs are: a directory on this disk or behind a URL that fsspec knows, and files that are whole or absent."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.errors import RunError, first_line
from harness.paths import refuse_endless, show_size, write_atomic
from harness.runs.secrets import without_secrets

_IN_THIS_PROCESS = {"memory", "data", "reference"}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class Location:
    """A directory; every method raises a `RunError` where it cannot be reached.

    Attributes:
        text: a path, or a URL such as `s3://bucket/releases`.
    """

    text: str

    def __str__(self) -> str:
        return str(without_secrets(self.text))

    @property
    def is_remote(self) -> bool:
        """Behind a URL."""
        return is_url(self.text)

    @property
    def lasts(self) -> bool:
        """Whether what is written there is there when this process has ended; a URL may chain several file systems."""
        schemes = {part.partition(":")[0] for part in self.text.lower().split("::")}
        return not (self.is_remote and schemes & _IN_THIS_PROCESS)

    @property
    def local(self) -> Path:
        """The directory, where it is on this disk."""
        return Path(self.text.removeprefix("file://")).absolute()

    def child(self, name: str) -> Location:
        """A directory in it."""
        return Location(f"{self.text.rstrip('/')}/{name}")

    def names(self) -> list[str]:
        """What is in it, sorted; nothing where it does not exist."""
        if not self.is_remote:
            return sorted(path.name for path in self.local.iterdir()) if self.local.is_dir() else []
        files, path = self._file_system
        with self._explained("listed"):
            files.invalidate_cache()
            try:
                return sorted({str(entry).rstrip("/").rpartition("/")[2] for entry in files.ls(path, detail=False)})
            except FileNotFoundError:
                return []

    def read(self, name: str) -> bytes | None:
        """The bytes of a file in it; None where there is none."""
        with self._explained(f"read ({name})"):
            try:
                if not self.is_remote:
                    refuse_endless(self.local / name, RunError, "restore the file, or remove it")
                    return (self.local / name).read_bytes()
                files, path = self._file_system
                return bytes(files.cat_file(f"{path}/{name}"))
            except (FileNotFoundError, NotADirectoryError):
                return None

    def write(self, name: str, data: bytes) -> None:
        """Write a file in it, whole or not at all."""
        if not self.is_remote:
            write_atomically(self.local / name, data)
            return
        files, path = self._file_system
        with self._explained(f"written ({name})"):
            files.makedirs(f"{path}/{name}".rpartition("/")[0], exist_ok=True)
            files.pipe_file(f"{path}/{name}", data)

    def remove(self, name: str) -> None:
        """Remove a file in it."""
        with self._explained(f"changed ({name})"):
            if not self.is_remote:
                (self.local / name).unlink()
                return
            files, path = self._file_system
            files.rm_file(f"{path}/{name}")

    @cached_property
    def _file_system(self) -> tuple[Any, str]:
        """The file system and the path in it."""
        from fsspec.core import url_to_fs
        from fsspec.registry import known_implementations

        try:
            files, path = url_to_fs(self.text)
        except ImportError as error:
            protocol = self.text.partition("://")[0]
            package = known_implementations.get(protocol, {}).get("class", protocol).partition(".")[0]
            raise RunError(
                f"{self} needs the package {package}, which is not installed", f"run `pip install {package}`"
            ) from error
        except Exception as error:  # each file system has exceptions of its own, and may look for the place at once
            raise RunError(
                f"{self} is no place to keep runs: {without_secrets(first_line(error))}",
                "give a directory, or a URL like s3://BUCKET/DIR",
            ) from error
        return files, path.rstrip("/")

    @contextlib.contextmanager
    def _explained(self, done: str) -> Iterator[None]:
        """Whatever a storage library raises, as one error that says where: each service has exceptions of its own."""
        try:
            yield
        except RunError:
            raise
        except Exception as error:
            problem = f"{self} cannot be {done}: {type(error).__name__}: {without_secrets(first_line(error))}"
            raise RunError(problem, "check the address, your access to it and the network") from error


def is_url(text: str) -> bool:
    """Whether a text is a URL of something that is not simply on this disk."""
    return "://" in text and not text.startswith("file://")


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        RunError: the file could not be written; says what, how large, where, why, and what is kept.
    """
    try:
        write_atomic(path, data)
    except OSError as error:
        raise write_error(path, len(data), error) from error


def write_error(path: Path, size: int, error: OSError) -> RunError:
    """The RunError for a failed write of `size` bytes to `path`."""
    problem = f"cannot write {path.name} ({show_size(size)}) to {path.parent}: {error.strerror or error}"
    at_hand = ""
    if error.errno not in _FULL:
        return RunError(problem, "check that the directory exists and may be written to")
    with contextlib.suppress(OSError):
        at_hand = f" ({show_size(shutil.disk_usage(path.parent).free)} are free there)"
    return RunError(
        problem,
        f"free at least {show_size(2 * size)} on that disk{at_hand} or raise its quota, then start again: what was "
        "already written stays in the run's .partial directory, and answers already computed come from the cache",
    )
