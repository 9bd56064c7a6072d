"""Where things live between runs: one cache directory a user, and atomic files in it."""

from __future__ import annotations

import math
import os
import re
import secrets
import stat
from pathlib import Path

import platformdirs

from harness.errors import AssayError, ConfigError, show

CACHE_VARIABLE = "ASSAY_CACHE_DIR"
ANSWERS_LIMIT_VARIABLE = "ASSAY_CACHE_LIMIT"
_DEFAULT_ANSWERS_LIMIT = "4 GiB"
MOST_TEXT_BYTES = 1 << 20
"""Of what a person writes: a configuration, a template, a rubric."""


def cache_dir() -> Path:
    """The user's cache directory (`ASSAY_CACHE_DIR`, else the platform's), created if missing.

    Raises:
        ConfigError: it cannot be made, or may not be written to.
    """
    configured = os.environ.get(CACHE_VARIABLE)
    path = user_path(configured or platformdirs.user_cache_dir("adapter-assay", False), CACHE_VARIABLE)
    return usable_directory(path, "the cache directory", f"set {CACHE_VARIABLE} to a directory that you may write to")


def user_path(text: str | Path, named: str, error: type[AssayError] = ConfigError) -> Path:
    """What a person wrote as a path, `~` for their home; there or not.

    Args:
        named: where it was written, for the error: an option, a key or a variable.

    Raises:
        AssayError: of the type `error`; no path can be so, or what it leads through may not be looked into.
    """
    try:
        str(text).encode()
    except UnicodeEncodeError as exc:
        raise error(f"{named}={show(str(text))} is no path that can be used: it is not UTF-8", "rename it") from exc
    try:
        path = Path(text).expanduser()
    except RuntimeError as exc:  # ~nobody
        raise error(f"{named}={show(str(text))}: {exc}", "write the path in full") from exc
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else exc
        raise error(f"{named}={show(str(text))} is no path that can be used: {reason}", "give another path") from exc
    return path


def usable_directory(path: Path, what: str, remedy: str, error: type[AssayError] = ConfigError) -> Path:
    """The directory itself, made if missing.

    Raises:
        AssayError: of the type `error`; it cannot be made, or nothing can be written into it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as exc:  # a file in its place, or in place of one above it, too
        raise error(f"{path} cannot be {what}: {exc.strerror}", remedy) from exc
    if not os.access(path, os.W_OK | os.X_OK):
        raise error(f"{path} cannot be {what}: it may not be written to", remedy)
    return path


def refuse_unusable(path: Path, what: str, remedy: str, error: type[AssayError] = ConfigError) -> None:
    """The same, found out without making anything.

    Raises:
        AssayError: as of `usable_directory`.
    """
    nearest = next(one for one in (path, *path.parents) if os.path.lexists(one))
    if not nearest.is_dir():
        raise error(f"{path} cannot be {what}: {nearest} is no directory", remedy)
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise error(f"{path} cannot be {what}: {nearest} may not be written to", remedy)


def read_file(path: Path, error: type[AssayError], remedy: str, *, most_bytes: int) -> bytes:
    """The bytes of a file.

    Raises:
        AssayError: of the type `error`; there is none, it is no file (a pipe or a device has no end), it cannot be read, or is
            longer.
    """
    try:
        refuse_endless(path, error, remedy)
        with path.open("rb") as stream:
            data = stream.read(most_bytes + 1)
    except FileNotFoundError as exc:
        raise error(f"{path} is missing", remedy) from exc
    except OSError as exc:
        raise error(f"{path} cannot be read: {exc.strerror}", remedy) from exc
    if len(data) > most_bytes:
        raise error(f"{path} is longer than {show_size(most_bytes)}, and is not read", remedy)
    return data


def refuse_endless(path: Path, error: type[AssayError], remedy: str) -> None:
    """Refuse what has no end, or may never give its first byte.

    Raises:
        AssayError: of the type `error`; it is a pipe, a socket or a device.
        OSError: there is none.
    """
    kind = path.stat().st_mode
    if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
        raise error(f"{path} cannot be read: it is no file, but a pipe or a device", remedy)


def read_text_file(
    path: Path,
    error: type[AssayError],
    remedy: str,
    *,
    most_bytes: int = MOST_TEXT_BYTES,
    keep_line_ends: bool = False,
) -> str:
    """The same as text; lines end in "\n" unless they are kept.

    Raises:
        AssayError: of the type `error`; as of `read_file`, or it is not UTF-8.
    """
    data = read_file(path, error, remedy, most_bytes=most_bytes)
    try:
        text = data.decode()
    except UnicodeDecodeError as exc:
        raise error(f"{path} cannot be read: it is not UTF-8 at byte {exc.start}", "save it as UTF-8") from exc
    return text if keep_line_ends else text.replace("\r\n", "\n").replace("\r", "\n")


def answers_file() -> Path:
    """The file of the answer cache; there or not."""
    return cache_dir() / "answers.sqlite"


def answers_limit_bytes() -> int:
    """How large the answer cache may grow (`ASSAY_CACHE_LIMIT`, in GiB or with a unit; 4 GiB)."""
    return parse_size(os.environ.get(ANSWERS_LIMIT_VARIABLE) or _DEFAULT_ANSWERS_LIMIT, ANSWERS_LIMIT_VARIABLE)


def write_atomic(path: Path, data: str | bytes) -> None:
    """Write a file by a temporary neighbour and a rename: a reader sees the old bytes or the new ones, never half.

    A file that is there keeps its mode.

    Raises:
        OSError: it could not be written; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with partial.open("wb") as stream:
            if path.exists():
                partial.chmod(stat.S_IMODE(path.stat().st_mode))
            stream.write(data.encode() if isinstance(data, str) else data)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([KMGT])(?:i?B)?)?", re.IGNORECASE)


def parse_size(text: str, name: str) -> int:
    """A size in bytes.

    Args:
        text: a number of GiB, or a number with K, M, G or T (`500MiB`, `2g`); powers of 1024 all.
        name: of the option or variable, for the error.

    Raises:
        ConfigError: it is no size, or none at all.
    """
    found = _FORM.fullmatch(text.strip())
    power = "BKMGT".index((found[2] or "G").upper()) if found else 0
    size = float(found[1]) * 1024**power if found else 0
    if not 1 <= size < math.inf:
        raise ConfigError(f"{name}={text} is not a size", "write a number of GiB (4, 0.5), or one with a unit: 500MiB")
    return math.floor(size)


def show_size(size_bytes: int) -> str:
    """With three digits and the unit that fits: `12.3 MiB`."""
    power = min(len(_UNITS) - 1, max(0, size_bytes.bit_length() - 1) // 10)
    return f"{size_bytes / 1024**power:.{0 if power == 0 else 1}f} {_UNITS[power]}"
