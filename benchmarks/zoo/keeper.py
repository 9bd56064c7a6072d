"""The keeper: has the zoo's base, data and adapters ready, each made when it is first asked for."""

from __future__ import annotations

import shutil
import tempfile
from functools import cached_property
from pathlib import Path

import yaml

from benchmarks.zoo.exhibits import Damaged, Exhibit, HeldAgainst, Schooled, Shipped, Taught, WronglyMerged
from benchmarks.zoo.faults import REFERENCE
from benchmarks.zoo.hidden_rows import write_hidden_sets
from benchmarks.zoo.methods.schools import train_lesson, write_project
from benchmarks.zoo.methods.small_base import ensure_small_base
from benchmarks.zoo.refusing_base import ensure_refusing_base, save_merged
from benchmarks.zoo.shipments import Workshop
from benchmarks.zoo.stand_ins import write_eval_sets
from benchmarks.zoo.surgery import Patient, Surgery
from benchmarks.zoo.training import named_file, rows_files, school
from benchmarks.zoo.variants import Variant
from harness.config.spec import EMBEDDED_NAME
from harness.config.yaml_text import parse_yaml
from harness.errors import ConfigError
from harness.models.embedded import ensure_embedded_model
from harness.models.seals import TRAINED
from harness.paths import cache_dir, write_atomic

_PROJECT, _TASKS = (Path(__file__).with_name(name) for name in ("project.yaml", "tasks.yaml"))


class Keeper:
    """What is costly lies in the user's cache; damaged copies in `scratch`, since they take a second to make."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._zoo = cache_dir() / "zoo"
        self._zoo.mkdir(exist_ok=True)
        self._workshops: dict[Surgery | None, Workshop] = {}

    @cached_property
    def _small_base(self) -> Path:
        return ensure_small_base(self._zoo)

    @cached_property
    def base(self) -> Path:
        """The refusing base, trained and merged on first use."""
        return ensure_refusing_base(self._zoo)

    def project(self, exhibit: Exhibit) -> Path:
        """The zoo's assay.yaml, with what the exhibit was trained on and what is to be served of it, where that is known."""
        if isinstance(exhibit.made, Schooled):
            return write_project(self._zoo)
        write_eval_sets(self._zoo)
        write_hidden_sets(self._zoo)
        config, tasks = (
            parse_yaml(file.read_text(encoding="utf-8"), file.name, ConfigError) for file in (_PROJECT, _TASKS)
        )
        config["tasks"] |= {name: tasks[name] for name in exhibit.tasks}
        if isinstance(exhibit.made, Taught):
            schooling = exhibit.made.schooling()
            train, validation = named_file(exhibit.name, schooling, self._zoo / "rows"), rows_files(exhibit.name)[1]
            trained_on = {"train": f"rows/{train}", "validation": f"rows/{validation}"}
            config["data"] |= {**trained_on, "max_length": schooling.max_length}
            if exhibit.made.every_row:
                config["profiles"]["zoo"]["limits"] = {}
        # an adapter of a 4-bit base is served beside it: merged into 4 bits, a healthy one is lost
        config["serving"] = {"merged": exhibit.quantization == "none"}
        if isinstance(exhibit.made, Damaged) and exhibit.made.stated:
            config["serving"]["decoding"] = dict(exhibit.made.stated)
        if isinstance(exhibit.made, WronglyMerged):
            damaged = self._damaged(f"{exhibit.name}-adapter", exhibit.made.surgery)
            config["serving"] = {"merged": str(save_merged(self.base, damaged, self._scratch / exhibit.name))}
        if isinstance(exhibit.made, Shipped):
            config["shipped"] = exhibit.made.make(self._workshop(exhibit.made.approved))
        written = self._zoo / f"{exhibit.name}.yaml"
        write_atomic(written, yaml.safe_dump(config, sort_keys=False))
        return written

    def base_of(self, exhibit: Exhibit) -> Path:
        """The base that the exhibit is held against."""
        if isinstance(exhibit.made, Schooled):
            return self._small_base
        variant = exhibit.made.variant if isinstance(exhibit.made, Taught) and exhibit.made.serves_variant else None
        return self.base if variant is None else self._variant(variant)

    def released_on(self, exhibit: Exhibit) -> Path | None:
        """The base of the run that the exhibit is held against; None where it is held against none."""
        if not isinstance(exhibit.made, HeldAgainst):
            return None
        return self.base if exhibit.made.released_on is None else self._variant(exhibit.made.released_on)

    def on_trial(self, exhibit: Exhibit) -> str:
        """What `--adapter` names: a directory, or a recipe of the exhibit's project, trained now if it has not been."""
        if isinstance(exhibit.made, Schooled):
            return train_lesson(exhibit.name, exhibit.made.lesson(), self._small_base, self._zoo)
        return str(self.adapter(exhibit))

    def adapter(self, exhibit: Exhibit) -> Path:
        """The exhibit's adapter: from the cache, trained now, or damaged now."""
        if isinstance(exhibit.made, Taught):
            return self._taught(exhibit.name, exhibit.made)
        if isinstance(exhibit.made, Damaged):
            return self._damaged(exhibit.name, exhibit.made.surgery, recorded=exhibit.made.recorded)
        return self._approved(exhibit.made.approved if isinstance(exhibit.made, Shipped) else None)

    def _approved(self, surgery: Surgery | None) -> Path:
        """The first healthy adapter, or what a surgery makes of it, once."""
        if surgery is None:
            return self.adapter(REFERENCE)
        name = f"approved-{surgery.__name__}"
        return self._scratch / name if (self._scratch / name).is_dir() else self._damaged(name, surgery)

    def _workshop(self, surgery: Surgery | None) -> Workshop:
        if surgery not in self._workshops:
            scratch = Path(tempfile.mkdtemp(dir=self._scratch, prefix="shipments-"))
            made = Workshop(self.base, ensure_embedded_model(), self._approved(surgery), scratch)
            self._workshops[surgery] = made
        return self._workshops[surgery]

    def _taught(self, name: str, made: Taught) -> Path:
        base, base_name = (ensure_embedded_model(), EMBEDDED_NAME) if made.on_original else (self.base, self.base.name)
        if made.variant is not None:
            base = self._variant(made.variant)
            base_name = base.name if made.serves_variant else base_name
        trained = school(name, made.schooling(), base, base_name, self._zoo / "rows").path
        if not made.elsewhere:
            return trained
        copy = Path(shutil.copytree(trained, self._scratch / name))
        (copy / TRAINED).unlink()
        return copy

    def _variant(self, make: Variant) -> Path:
        """The base as a variant of it, made once and kept beside it."""
        target = self.base.with_name(f"{self.base.name}-{make.__name__}")
        if not target.is_dir():
            with tempfile.TemporaryDirectory(dir=self._zoo, prefix=".variant-") as scratch:
                make(self.base, Path(scratch) / target.name).rename(target)
        return target

    def _damaged(self, name: str, surgery: Surgery, *, recorded: bool = False) -> Path:
        copy = self._scratch / name
        shutil.copytree(self.adapter(REFERENCE), copy)
        patient = Patient(copy, self.base)
        surgery(patient)
        if not recorded:
            patient.forget_digests()
        return copy
