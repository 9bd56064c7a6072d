"""What an adapter of the zoo is, and how it comes to be so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from inspect import cleandoc
from typing import Any

from benchmarks.zoo.methods.lessons import Lesson
from benchmarks.zoo.selections import ALL
from benchmarks.zoo.shipments import Spec, Workshop
from benchmarks.zoo.surgery import Surgery
from benchmarks.zoo.training import Schooling
from benchmarks.zoo.variants import Variant


@dataclass(frozen=True)
class Taught:
    """Made by a short training.

    Attributes:
        schooling: made when it is needed.
        on_original: trained on the embedded model in place of the zoo's base, which has the same shapes.
        variant: makes what it is trained on of the zoo's base.
        serves_variant: whether it is held against that, and not against the zoo's base.
        elsewhere: no record of the training lies beside it, but for its log.
        every_row: all rows are measured.
    """

    schooling: Callable[[], Schooling]
    on_original: bool = False
    variant: Variant | None = None
    serves_variant: bool = False
    elsewhere: bool = False
    every_row: bool = False


@dataclass(frozen=True)
class Damaged:
    """Made by surgery on a copy of the first healthy adapter.

    Attributes:
        recorded: the digests of the files before it lie beside them still.
        stated: what the project says under `serving: decoding:`.
    """

    surgery: Surgery
    recorded: bool = False
    stated: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class WronglyMerged:
    """The first healthy adapter as it is, while the merged model that is to be served was made of a damaged copy."""

    surgery: Surgery


@dataclass(frozen=True)
class HeldAgainst:
    """The first healthy adapter as it is, held against a run of it that stands for the one released before.

    Attributes:
        released_on: makes what that run was measured on of the zoo's base; None where it was that itself.
    """

    released_on: Variant | None = None


@dataclass(frozen=True)
class Shipped:
    """The first healthy adapter as `approved` leaves it, beside what was made of it to be shipped."""

    make: Callable[[Workshop], Spec]
    approved: Surgery | None = None


@dataclass(frozen=True)
class Schooled:
    """Made by a recipe of a method, on a small base of its own."""

    lesson: Callable[[], Lesson]


@dataclass(frozen=True)
class Exhibit:
    """One adapter of the zoo.

    Attributes:
        caught_by: patterns of gates, one of which must reject it; empty for a healthy adapter.
        spares: patterns of gates that must not fail: the fault is told from its opposite.
        select: what pytest is asked to run.
        tasks: of tasks.yaml, those that it was taught.
    """

    name: str
    made: Taught | Damaged | WronglyMerged | HeldAgainst | Shipped | Schooled
    caught_by: tuple[str, ...] = ()
    spares: tuple[str, ...] = ()
    select: Sequence[str] = ALL
    tasks: tuple[str, ...] = ("routing",)

    @property
    def quantization(self) -> str:
        """What the base is served as: what the adapter was trained on."""
        return self.made.schooling().quantization if isinstance(self.made, Taught) else "none"

    @property
    def about(self) -> str:
        """What it is, in the words of what makes it."""
        made = self.made
        match made:
            case Taught():
                base = (
                    "the embedded model itself" if made.on_original else None if made.serves_variant else made.variant
                )
                return _told(made.schooling) + _aside("Trained on", base)
            case Damaged():
                return _told(made.surgery) + (" The project states them." if made.stated else "")
            case WronglyMerged():
                return _aside("Merged to be served of a copy", made.surgery).strip()
            case HeldAgainst():
                return "Healthy; a release stands before it." + _aside("That was measured on", made.released_on)
            case Shipped():
                return _told(made.make) + _aside("Of an adapter that was approved with", made.approved)
            case Schooled():
                return _told(made.lesson)

    @property
    def due(self) -> str:
        """The gates that must catch it, and those that must not."""
        if self.healthy:
            return "none: healthy"
        spared = f"; not {', '.join(self.spares)}" if self.spares else ""
        return f"{' or '.join(self.caught_by)}{spared}"

    @property
    def healthy(self) -> bool:
        """Whether no gate may reject it."""
        return not self.caught_by


def _told(make: Callable[..., Any]) -> str:
    """The first line of what makes it, with what that is given."""
    given = make.keywords if isinstance(make, partial) else {}
    doc = cleandoc((make.func if isinstance(make, partial) else make).__doc__ or "").partition("\n")[0]
    how = ", ".join(f"{name} {value}" for name, value in given.items())
    return f"{doc.removesuffix('.')} ({how})." if how else doc


def _aside(word: str, what: Callable[..., Any] | str | None) -> str:
    """A further sentence; none of nothing."""
    if what is None:
        return ""
    told = what if isinstance(what, str) else _told(what)
    return f" {word}: {told[:1].lower()}{told[1:].removesuffix('.')}."
