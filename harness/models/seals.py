"""What whoever made or fetched files recorded of them: a digest of each, to tell whether they are still those."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.errors import AdapterError
from harness.json_files import read_json_object
from harness.models.identity import cached_file_digest

TRAINED = "provenance.json"
"""Left beside an adapter, or a whole model, by the training of a recipe."""

_MADE_HERE = (TRAINED, "assay-export.json", "assay-merge.json")
_DOWNLOADS = Path(".cache", "huggingface", "download")
_GIT = hashlib.sha1(usedforsecurity=False).digest_size * 2
_REMEDY = "copy the directory again from where it was made"


@dataclass(frozen=True)
class Seal:
    """What one record says of the files in a directory.

    Attributes:
        source: what the record is called.
        digests: path -> SHA-256 of the file, or the SHA-1 that git and the hub give a small one, as hex.
        names_all: whether weights that it does not name came later.
        base_weights: digest of the weights that these were made on, where it says so.
    """

    source: str
    digests: Mapping[str, str]
    names_all: bool = True
    base_weights: str | None = None

    def changed(self, directory: Path, digest: Callable[[Path], str] = cached_file_digest) -> Sequence[str]:
        """The files that are there and are not those of the record.

        Args:
            digest: SHA-256 of a file, remembered or read anew.
        """
        present = (name for name in sorted(self.digests) if self._file(directory, name))
        return [name for name in present if not self._holds(directory, name, digest)]

    def lost(self, directory: Path) -> Sequence[str]:
        """The files of the record that are not there."""
        return [name for name in sorted(self.digests) if not self._file(directory, name)]

    def added(self, directory: Path, pattern: str = "*.safetensors") -> Sequence[str]:
        """The files of a pattern that the record does not name, and that are not the record itself."""
        found = (path.relative_to(directory).as_posix() for path in sorted(directory.glob(pattern)) if path.is_file())
        return [name for name in found if name not in self.digests and name != self.source]

    def _file(self, directory: Path, name: str) -> bool:
        path = PurePosixPath(name)
        return not path.is_absolute() and ".." not in path.parts and (directory / path).is_file()

    def _holds(self, directory: Path, name: str, digest: Callable[[Path], str]) -> bool:
        recorded, path = self.digests[name], directory / name
        return recorded == (_git_digest(path) if len(recorded) == _GIT else digest(path))


def seals_of(directory: Path) -> Sequence[Seal]:
    """The records that lie beside files.

    Those are ours, and what huggingface_hub keeps of what it fetched: the ETag of each file, in its cache the name of the blob
    that a link leads to (https://huggingface.co/docs/huggingface_hub/guides/manage-cache).

    Raises:
        AdapterError: a record of ours cannot be read, or names no files.
    """
    made = [seal_in(directory / name) for name in _MADE_HERE if (directory / name).is_file()]
    fetched = Seal("the hub's record of the download", dict(_fetched(directory)), names_all=False)
    return [seal for seal in (*made, fetched) if seal is not None and seal.digests]


def seal_in(record: Path) -> Seal | None:
    """What a record of ours says; None of another tool's, which goes by the same name.

    Raises:
        AdapterError: it cannot be read, or names no files.
    """
    said = read_json_object(record, AdapterError, _REMEDY)
    if record.name == TRAINED and "files" not in said:  # other tools call theirs so too
        return None
    files = said.get("files")
    if not isinstance(files, Mapping) or not files or not all(isinstance(one, str) for one in files.values()):
        raise AdapterError(f"{record}: files is no record of digests", _REMEDY)
    source = said.get("source")
    weights = source.get("weights") if isinstance(source, Mapping) else None
    return Seal(record.name, files, base_weights=weights if isinstance(weights, str) else None)


def _fetched(directory: Path) -> Iterator[tuple[str, str]]:
    for note in sorted((directory / _DOWNLOADS).rglob("*.metadata")):
        lines = note.read_text(encoding="utf-8", errors="replace").splitlines()[:3] if note.is_file() else []
        if len(lines) > 1:
            yield note.relative_to(directory / _DOWNLOADS).as_posix().removesuffix(".metadata"), lines[1].strip()
    for path in sorted(directory.iterdir()):
        if path.is_symlink() and (blob := path.readlink()).parent.name == "blobs":
            yield path.name, blob.name


def _git_digest(path: Path) -> str:
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
