"""Keys that have another name now: read with a warning, and rewritten by `assay migrate`."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from harness.cli import main
from harness.config import OverfittingThresholds, load_config
from harness.errors import ConfigError
from harness.training.recipe_files import load_recipe

OLD = """\
# recited: not this
overfitting: # nor this: recited
  "recited": 0.2   # share
  tasks:
    pets: {recited: 0.1, rows: 3} # recited
tasks:
  recited: {recited: 1}
"""
NEW = """\
# recited: not this
overfitting: # nor this: recited
  verbatim_recall: 0.2   # share
  tasks:
    pets: {verbatim_recall: 0.1, rows: 3} # recited
tasks:
  recited: {recited: 1}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "assay.yaml"
    path.write_text(OLD)
    return path


def test_an_old_key_is_read_with_a_warning_that_names_the_new_one(file: Path) -> None:
    with pytest.warns(FutureWarning) as told:
        config = load_config(file)
    assert [str(one.message) for one in told] == [
        f"{file}: 'recited' is called 'verbatim_recall' now; `assay migrate {file}` rewrites it"
    ]
    assert config.overfitting.verbatim_recall == 0.2
    assert config.overfitting_of("pets") == OverfittingThresholds(verbatim_recall=0.1, rows=3)


def test_where_warnings_are_errors_an_old_key_is_one_of_ours(file: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ConfigError) as raised:
            load_config(file)
    assert str(raised.value).startswith(f"{file}: 'recited' is called 'verbatim_recall' now\n")
    assert raised.value.remedy == f"`assay migrate {file}` rewrites it"


def test_what_migrate_cannot_rewrite_is_renamed_by_hand(tmp_path: Path) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text("[tool.assay.overfitting]\nrecited = 0.1\n")
    with pytest.warns(FutureWarning, match="'verbatim_recall' now; rename it"):
        load_config(project)


def test_a_suite_that_reads_the_old_name_still_runs() -> None:
    with pytest.warns(FutureWarning, match="'verbatim_recall' now"):
        assert OverfittingThresholds(verbatim_recall=0.1).recited == 0.1  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="recitedd"):
        OverfittingThresholds().recitedd  # type: ignore[attr-defined]  # noqa: B018


def test_the_format_of_the_training_data_had_another_name(file: Path) -> None:
    file.write_text("data: {layout: alpaca}\n")
    with pytest.warns(FutureWarning, match="'layout' is called 'format' now"):
        assert load_config(file).data.format == "alpaca"
    assert main(["migrate", str(file)]) == 0
    assert file.read_text() == "data: {format: alpaca}\n"


def test_old_and_new_together_are_refused(file: Path) -> None:
    file.write_text("overfitting: {recited: 0.1, verbatim_recall: 0.2}")
    with pytest.raises(ConfigError, match="overfitting: 'recited' is the old name of 'verbatim_recall'"):
        load_config(file)


def test_migrate_renames_the_keys_and_nothing_else(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", str(file)]) == 0
    assert file.read_text() == NEW
    assert f"{file}, line 3: recited -> verbatim_recall\n{file}, line 5: recited" in capsys.readouterr().out
    assert main(["migrate", str(file)]) == 0
    assert "every key has its present name" in capsys.readouterr().out
    assert file.read_text() == NEW


def test_migrate_renames_the_keys_of_tasks_by_their_kind(file: Path) -> None:
    file.write_text(
        "tasks:\n"
        "  pets: {kind: exact_match, data: a, layout: alpaca} # layout\n"
        "  layout: {kind: lm_eval, layout: 1}\n"
        "  ours: {kind: of_a_plugin, layout: 1}\n"
    )
    assert main(["migrate", str(file)]) == 0
    assert file.read_text().splitlines()[1:] == [
        "  pets: {kind: exact_match, data: a, format: alpaca} # layout",
        "  layout: {kind: lm_eval, layout: 1}",
        "  ours: {kind: of_a_plugin, layout: 1}",
    ]


def test_migrate_keeps_line_ends_and_renames_what_an_anchor_shares_once(file: Path) -> None:
    file.write_bytes(b"overfitting:\r\n  tasks:\r\n    a: &same {recited: 0.1}\r\n    b: *same\r\n")
    assert main(["migrate", str(file)]) == 0
    assert file.read_bytes() == b"overfitting:\r\n  tasks:\r\n    a: &same {verbatim_recall: 0.1}\r\n    b: *same\r\n"


def test_migrate_keeps_the_mode_and_rewrites_what_a_link_names(file: Path) -> None:
    file.chmod(0o600)
    link = file.with_name("link.yaml")
    link.symlink_to(file)
    assert main(["migrate", str(link)]) == 0
    assert link.is_symlink() and file.read_text() == NEW
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("pyproject.toml", "[tool.assay]\n", "is no YAML file"),
        ("nowhere.yaml", None, "is missing"),
        ("assay.yaml", "zzz: 1\n", "unknown key 'zzz'"),
    ],
)
def test_what_cannot_be_migrated_is_left_alone(
    tmp_path: Path, name: str, text: str | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    assert main(["migrate", str(tmp_path / name)]) == 2
    assert said in capsys.readouterr().err
    assert text is None or (tmp_path / name).read_text() == text


def test_a_recipe_has_its_own_schema(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("base: b\ndata: {split: 0.1, train: {path: a, layout: alpaca}}\n")
    with pytest.warns(FutureWarning, match=r"mine\.yaml: 'layout' is .*; `assay migrate --recipe mine\.yaml` rewrites"):
        assert load_recipe(recipe, root=tmp_path).data.train.format == "alpaca"
    assert main(["migrate", str(recipe), "--recipe"]) == 0
    assert recipe.read_text() == "base: b\ndata: {split: 0.1, train: {path: a, format: alpaca}}\n"
    capsys.readouterr()
    assert main(["migrate", str(recipe), "--recipe"]) == 0
    assert "every key" in capsys.readouterr().out
    assert main(["migrate", str(tmp_path / "nowhere.yaml"), "--recipe"]) == 2
    assert "give the path of a recipe" in capsys.readouterr().err
