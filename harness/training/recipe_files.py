"""Recipes out of their files, of one training or of several; checked in full without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.config.checking import check, location
from harness.config.yaml_text import parse_yaml
from harness.errors import Complaints, RecipeError, nearest
from harness.paths import read_text_file
from harness.training.arguments import peft_arguments, trainer_arguments
from harness.training.configs import learning_rate
from harness.training.recipe import Recipe, RecipeFile
from harness.training.stage_file import OF_ALL_STAGES, StagedFile, StageFile
from harness.training.staged import LOWER_RATE, AnyRecipe, Stage, StagedRecipe, check_way, default_way

Tasks = Mapping[str, Mapping[str, Any]]


def load_recipe(path: Path, *, root: Path, tasks: Tasks | None = None) -> AnyRecipe:
    """Read and check a recipe.

    Args:
        root: directory that relative data paths start at (the one that holds `fixtures/`).
        tasks: as `tasks:` of assay.yaml has them, for recipes that name one.

    Raises:
        RecipeError: the file is missing or not YAML, a key is unknown, a value has the wrong type, or an
            argument would break what the harness relies on.
    """
    document = _document(path)
    beside = {"root": root, "tasks": tasks or {}}
    if not isinstance(document, dict) or "stages" not in document:
        return _checked(document, [path.name], path.stem, beside)
    said = check(StagedFile, document, location(path.name), RecipeError)
    stages: list[Stage] = []
    for place, one in enumerate(said.stages):
        with _told(f"{path.name}: stages.{place}"):
            stages.append(_stage({"recipe": one} if isinstance(one, str) else dict(one), said, stages, path, beside))
    names = [stage.name for stage in stages]
    if unknown := next((name for name in said.gate.after if name not in names), None):
        raise RecipeError(f"{path.name}: gate.after names the stage {unknown!r}", nearest(unknown, names))
    return StagedRecipe(path.stem, said.base, said.quantization, stages, list(said.gate.after))


def find_recipe(name: str, root: Path, tasks: Tasks | None = None) -> AnyRecipe:
    """The recipe of that name in `root/fixtures/recipes`, or the one at that path; NAME@STAGE is one that ends after a stage.

    Args:
        name: "tool-calls-qlora", or the path of a YAML file.
        root: directory that relative data paths in the recipe start at.
        tasks: as `tasks:` of assay.yaml has them, for recipes that name one.
    """
    if (path := _path(name, root)) is not None:
        return load_recipe(path, root=root, tasks=tasks)
    whole, _, stage = name.rpartition("@")
    if whole and (path := _path(whole, root)) is not None:
        found = load_recipe(path, root=root, tasks=tasks)
        if isinstance(found, StagedRecipe):
            return found.up_to(stage)
        raise RecipeError(f"recipe {name!r}: {whole} has no stages", f"name it as {whole!r}")
    recipes = root / "fixtures" / "recipes"
    known = ", ".join(sorted(path.stem for path in recipes.glob("*.yaml")))
    raise RecipeError(
        f"recipe {name!r} is unknown", f"choose one of: {known}" if known else f"put NAME.yaml into {recipes}"
    )


def _path(name: str, root: Path) -> Path | None:
    for path in (root / "fixtures" / "recipes" / f"{name}.yaml", root / name, Path(name)):
        if path.suffix in (".yaml", ".yml") and path.is_file():
            return path
    return None


def _document(path: Path) -> Any:
    text = read_text_file(path, RecipeError, "check the path given for the recipe")
    return parse_yaml(text, path.name, RecipeError)


def _checked(document: Any, place: Sequence[str], name: str, beside: Mapping[str, Any]) -> Recipe:
    """One training, of a file or of a place in it."""
    file, *keys = place
    said = check(RecipeFile, document, location(file, *keys), RecipeError)
    complaints = Complaints()
    with complaints.noting():
        check(peft_arguments(said.peft_type), said.peft_arguments, location(file, *keys, "peft"), RecipeError)
    with complaints.noting():
        check(trainer_arguments(said.how), said.trainer, location(file, *keys, "trainer"), RecipeError)
    complaints.tell(RecipeError)
    given = {key: getattr(said, key) for key in said.model_fields_set}
    return Recipe(**given, name=name, **beside)


def _stage(
    document: dict[str, Any], said: StagedFile, before: Sequence[Stage], path: Path, beside: Mapping[str, Any]
) -> Stage:
    """The next stage after those before it."""
    place = [path.name, "stages", str(len(before))]
    own = {key: document.pop(key) for key in ("name", "recipe", "from") if key in document}
    keys = check(StageFile, own, location(path.name, *place[1:]), RecipeError)
    if shared := next((key for key in OF_ALL_STAGES if key in document), None):
        raise RecipeError(f"{shared} is that of all stages", f"write `{shared}:` beside `stages:`")
    name = keys.name or (f"stage-{len(before) + 1}" if keys.recipe is None else Path(keys.recipe).stem)
    shared_keys = {key: getattr(said, key) for key in OF_ALL_STAGES}
    called = f"{path.stem}@{name}"
    if keys.recipe is not None:
        recipe = _of_recipe(keys.recipe, document, called, beside).model_copy(update=shared_keys)
    else:
        inherited = {"peft": before[-1].recipe.peft} if before and "peft" not in document else {}
        alone = _checked(
            {**inherited, **document, "base": said.base, "quantization": said.quantization}, place, called, beside
        )
        recipe = alone.model_copy(update=shared_keys)
    if name in [stage.name for stage in before]:
        raise RecipeError(f"two stages are called {name!r}", "give one of them another `name:`")
    if not before:
        if keys.goes_on is not None:
            raise RecipeError(f"from is {keys.goes_on!r}, and the first stage goes on from the base", "remove it")
        return Stage(name, recipe)
    way = keys.goes_on or default_way(before[-1].recipe, recipe)
    rate = None if "learning_rate" in recipe.trainer else learning_rate(before[-1].recipe)
    if rate is not None:
        recipe = recipe.model_copy(update={"trainer": {**recipe.trainer, "learning_rate": rate * LOWER_RATE}})
    stage = Stage(name, recipe, way, rate)
    check_way([*before, stage])
    return stage


def _of_recipe(name: str, further: Mapping[str, Any], called: str, beside: Mapping[str, Any]) -> Recipe:
    path = _path(name, beside["root"])
    if path is None:
        raise RecipeError(f"recipe {name!r} is unknown", "name one in fixtures/recipes, or the path of a YAML file")
    if further:
        raise RecipeError(
            f"it names the recipe {name!r} and says {', '.join(further)} too",
            "say it in that recipe, or write the stage out; beside `recipe:` stand `name:` and `from:`",
        )
    document = _document(path)
    if isinstance(document, dict) and "stages" in document:
        raise RecipeError(f"recipe {name!r} has stages itself", "name its stages here")
    return _checked(document, [path.name], called, beside)


@contextmanager
def _told(place: str) -> Iterator[None]:
    complaints = Complaints()
    with complaints.noting(place):
        yield
    complaints.tell(RecipeError)
