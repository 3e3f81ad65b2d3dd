"""The command line does what it says, and says it in the right place."""

from __future__ import annotations

import gzip
import inspect
import io
import json
import re
import resource
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from commands import confgen, run_program
from rdkit import Chem
from typer.testing import Result

from confgen import checkpoint
from confgen.cli.generate import generate
from confgen.options import PRESETS
from confgen.readers import read_records
from confgen.relax import METHODS
from confgen.sampler import SAMPLERS
from confgen.select import WAYS
from confgen.settings import STEREO_POLICIES, GenerateSettings
from confgen.starts import STARTS
from confgen.version import confgen_version
from confgen.writer import FORMATS


@pytest.fixture
def make(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Function: arguments -> the result of `confgen generate` in an empty folder, valid or not, to out.sdf."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, input: str | None = None, output: str = "out.sdf", count: int = 2) -> Result:
        common = ("-w", weights, "-n", count, "--rms", "0", "--keep-invalid", "-o", output)
        return confgen("generate", *arguments, *common, input=input)

    return run


def records(source: str | Path) -> list[Chem.Mol]:
    return list(Chem.SDMolSupplier(str(source), removeHs=False, sanitize=False))


def names(source: str | Path = "out.sdf") -> list[str]:
    return [mol.GetProp("_Name") for mol in records(source)]


def positions(source: str) -> np.ndarray:
    return np.stack([mol.GetConformer().GetPositions() for mol in records(source)])


# The program


def test_help_needs_neither_torch_nor_rdkit() -> None:
    text, imported = run_program("generate", "--help")
    assert "--num-confs" in text
    assert imported == set()


def test_generation_does_not_wait_for_pyg(tmp_path: Path, weights: Path) -> None:
    _, imported = run_program("generate", "CCO", "-n", "1", "-w", str(weights), "-o", str(tmp_path / "out.sdf"))
    assert imported == {"torch", "rdkit", "numpy"}


def test_help_answers_at_once() -> None:
    def cpu_seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-c", "from confgen.cli import main; main()", "--help"]
        subprocess.run(command, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(cpu_seconds() for _ in range(3)) < 0.4


def test_version_is_that_of_the_package() -> None:
    assert confgen("--version").stdout == f"confgen {confgen_version()}\n"


@pytest.mark.parametrize(("option", "setting"), [("stereo", "stereo"), ("seed", "seed"),
                                                 ("keep_invalid", "keep_invalid"), ("timeout", "timeout_s"),
                                                 ("batch_size", "batch_size")])  # fmt: skip
def test_defaults_in_the_help_are_those_of_the_settings(option: str, setting: str) -> None:
    assert inspect.signature(generate).parameters[option].default == getattr(GenerateSettings(), setting)


def test_the_default_weights_are_those_of_the_checkpoints() -> None:
    assert inspect.signature(generate).parameters["weights"].default == checkpoint.DEFAULT


@pytest.mark.parametrize(
    ("option", "choices"),
    [
        ("stereo", STEREO_POLICIES),
        ("sampler", SAMPLERS),
        ("format", FORMATS),
        ("start", STARTS),
        ("relax", METHODS),
        ("select", WAYS),
        ("preset", tuple(PRESETS)),
    ],
)
def test_choices_in_the_help_are_all_there_are(option: str, choices: tuple[str, ...]) -> None:
    hint = get_type_hints(generate)[option]
    offered = {choice for part in (hint, *get_args(hint)) for choice in get_args(part) if isinstance(choice, str)}
    assert (offered or set(get_args(hint))) == set(choices)


@pytest.mark.parametrize(("option", "setting"), [("num_confs", "num_confs"), ("rms", "rms"), ("relax", "relax"),
                                                 ("select", "select"), ("temperature", "temperature_k")])  # fmt: skip
def test_defaults_that_the_help_only_tells_are_those_of_the_settings(option: str, setting: str) -> None:
    hint = get_type_hints(generate, include_extras=True)[option]
    [told] = [extra.show_default for extra in hint.__metadata__]
    assert told == str(getattr(GenerateSettings(), setting))
    assert inspect.signature(generate).parameters[option].default is None


def test_show_prints_what_would_be_used_and_stops() -> None:
    result = confgen("generate", "--preset", "docking", "-n", "7", "--show")
    shown = tomllib.loads(result.stdout)
    assert result.exit_code == 0
    assert shown["num-confs"] == 7
    assert shown["rms"] == PRESETS["docking"].options["rms"]
    assert {name.replace("-", "_") for name in shown} <= set(inspect.signature(generate).parameters)


@pytest.mark.parametrize(("arguments", "said"), [
    (["CC"], "Missing option '-o'"), (["-o", "x.sdf"], "Missing argument 'INPUT'"),
    (["CC", "-o", "x.sdf", "-n", "0"], "'0' is not a whole number from 1 on"),
    (["CC", "-o", "x.sdf", "--seed", "-1"], "'-1' is not a whole number from 0"),
    (["CC", "-o", "x.sdf", "--batch-size", "some"], "'some' is not a whole number"),
    (["CC", "-o", "x.sdf", "--stereo", "all"], "'all'"),
])  # fmt: skip
def test_wrong_usage_is_explained(arguments: list[str], said: str) -> None:
    result = confgen("generate", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr


# generate


def test_a_smiles_becomes_as_many_records_as_asked(make: Callable[..., Result]) -> None:
    result = make("CCO ethanol", count=3)
    assert result.exit_code == 0
    assert names() == ["ethanol"] * 3


def test_a_run_ends_with_one_line_of_summary(make: Callable[..., Result]) -> None:
    result = make("[Na+] sodium")
    assert result.stdout == ""
    assert re.fullmatch(r"out\.sdf: 2 conformers of 1 molecule, \d+\.\d s\n", result.stderr)


def test_failures_of_the_network_are_repaired_and_counted(weights: Path, tmp_path: Path) -> None:
    result = confgen("generate", "c1ccccc1C=O", "-w", weights, "-n", 2, "--rms", 0, "-o", tmp_path / "out.sdf")
    assert "2 of them by ETKDG" in result.stderr
    assert [mol.GetProp("source") for mol in records(tmp_path / "out.sdf")] == ["etkdg"] * 2


def test_inputs_of_all_kinds_are_done_in_order(make: Callable[..., Result]) -> None:
    Path("a.smi").write_text("smiles name\nC one\n# comment\n\nN two\n")
    Path("b.csv").write_text("id,structure\nthree,O\n")
    with gzip.open("c.sdf.gz", "wt") as file:
        file.write("four" + Chem.MolToMolBlock(Chem.MolFromSmiles("F")) + "$$$$\n")
    result = make("a.smi", "b.csv", "c.sdf.gz", "[K+] five", "-", input="Cl six\n", count=1)
    assert result.exit_code == 0
    assert names() == ["one", "two", "three", "four", "five", "six"]


def test_columns_of_a_table_can_be_named(make: Callable[..., Result]) -> None:
    Path("t.csv").write_text("a,b,smiles\nC,x,N\n")
    make("t.csv", "--smiles-column", "a", "--name-column", "b", count=1)
    assert [(mol.GetProp("_Name"), mol.GetAtomWithIdx(0).GetSymbol()) for mol in records("out.sdf")] == [("x", "C")]


def test_standard_output_carries_conformers_only(make: Callable[..., Result]) -> None:
    result = make("C methane", "c1ccccc", "N ammonia", "-v", output="-")
    supplier = Chem.ForwardSDMolSupplier(io.BytesIO(result.stdout_bytes), removeHs=False)
    assert [mol.GetProp("_Name") for mol in supplier] == ["methane"] * 2 + ["ammonia"] * 2
    assert result.stdout.startswith("methane\n")
    assert result.stdout.endswith("$$$$\n")
    assert "c1ccccc" in result.stderr


@pytest.mark.parametrize("format", FORMATS)
def test_the_format_follows_the_name_or_the_option(format: str, make: Callable[..., Result]) -> None:
    make("O", output=f"named.{format}")
    make("O", "--format", format, output="asked.out")
    assert Path("named." + format).read_bytes() == Path("asked.out").read_bytes()


def test_the_same_seed_gives_the_same_conformers_in_any_company(make: Callable[..., Result]) -> None:
    make("CCO", "--seed", 5, output="alone.sdf")
    make("CN", "CCO", "--seed", 5, "--batch-size", 1, output="company.sdf")
    in_company = np.stack([mol.GetConformer().GetPositions() for mol in records("company.sdf")[2:]])
    np.testing.assert_allclose(positions("alone.sdf"), in_company, atol=1e-3)


def test_another_seed_gives_other_conformers(make: Callable[..., Result]) -> None:
    make("CCO", "--seed", 5, output="five.sdf")
    make("CCO", "--seed", 6, output="six.sdf")
    assert np.abs(positions("five.sdf") - positions("six.sdf")).max() > 0.1


@pytest.mark.parametrize(("arguments", "said"), [
    ([], "dpmpp with 2 steps from harmonic"),
    (["--sampler", "heun", "--steps", "3", "--start", "etkdg"], "heun with 3 steps from etkdg"),
])  # fmt: skip
def test_the_sampler_is_what_the_weights_recommend_unless_told(
    arguments: list[str], said: str, make: Callable[..., Result]
) -> None:
    assert said in make("CO", "-v", *arguments).stderr


def test_open_stereo_is_spread_with_a_note(make: Callable[..., Result]) -> None:
    result = make("CC(F)Cl open", count=4)
    assert result.exit_code == 0
    assert "note: argument 1 'open': stereochemistry is open" in result.stderr


def test_open_stereo_can_be_enumerated(make: Callable[..., Result]) -> None:
    make("CC(F)Cl open", "--stereo", "enumerate", count=1)
    assert len(records("out.sdf")) == 2


def test_open_stereo_can_be_refused(make: Callable[..., Result]) -> None:
    result = make("CC(F)Cl open", "--stereo", "error")
    assert result.exit_code == 4
    assert "stereochemistry is open" in result.stderr


def test_a_bad_molecule_is_named_and_the_rest_is_done(make: Callable[..., Result]) -> None:
    Path("m.smi").write_text("C good\nc1ccccc bad\nN fine\n")
    result = make("m.smi", count=1)
    assert result.exit_code == 3
    assert names() == ["good", "fine"]
    assert result.stderr.splitlines()[0].startswith("m.smi:2 'bad': ring 1 is not closed")


def test_failed_molecules_can_be_fed_back(make: Callable[..., Result]) -> None:
    make("CC(F)Cl open one", "c1ccccc", "O", "--stereo", "error", "--failed", "failed.smi")
    again = list(read_records(["failed.smi"]))
    assert [(record.name, record.mol is not None) for record in again] == [("open one", True)]
    assert (
        Path("failed.smi").read_text().splitlines()[2].startswith("#c1ccccc\tc1ccccc\targument 2\targument 2: ring 1")
    )


@pytest.mark.parametrize(("line", "kept"), [("c1ccccc bad", "#c1ccccc\tbad"), ("*c1ccccc1 R", "#*c1ccccc1\tR")])
def test_failed_molecules_are_kept_as_given(line: str, kept: str, make: Callable[..., Result]) -> None:
    make(line, "O", "--failed", "failed.smi")
    assert Path("failed.smi").read_text().splitlines()[1].startswith(f"{kept}\targument 1\t")


def test_failed_rows_are_kept_as_given(make: Callable[..., Result]) -> None:
    Path("m.csv").write_text('smiles,name\nO,a\nN,"b\nC,c\n')
    make("m.csv", "--failed", "failed.smi", count=1)
    assert names() == ["a", "c"]
    assert Path("failed.smi").read_text().splitlines()[1].startswith('#N,"b\t\tm.csv:3\t')


def test_failed_molecules_without_a_name_get_that_of_a_nameless_line(make: Callable[..., Result]) -> None:
    Path("m.sdf").write_text(Chem.MolToMolBlock(Chem.MolFromSmiles("CC(F)Cl")))
    make("m.sdf", "--stereo", "error", "--failed", "failed.smi")
    (again,) = read_records(["failed.smi"])
    assert again.name == "CC(F)Cl"


def test_the_report_has_a_line_on_every_molecule(make: Callable[..., Result]) -> None:
    make("O water", "c1ccccc", "CC(F)Cl", "--report", "report.jsonl")
    rows = [json.loads(line) for line in Path("report.jsonl").read_text().splitlines()]
    assert [(row["name"], row["smiles"], row["written"]) for row in rows] == [
        ("water", "O", 2), ("c1ccccc", None, 0), ("CC(F)Cl", "CC(F)Cl", 2)
    ]  # fmt: skip
    assert rows[0]["sources"] == {"network": 2}
    assert "ring 1 is not closed" in rows[1]["error"]
    assert "stereochemistry is open" in rows[2]["notes"][0]
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    assert [key for key in rows[0] if f"`{key}`" not in readme] == []


def test_quiet_runs_say_nothing_but_failures(make: Callable[..., Result]) -> None:
    result = make("CC(F)Cl open", "c1ccccc bad", "-q")
    assert [line.split(":")[0] for line in result.stderr.splitlines()] == ["argument 2 'bad'"]


def test_a_progress_bar_leaves_messages_whole(make: Callable[..., Result]) -> None:
    result = make("[Na+]", "c1ccccc bad", "[K+]", "--progress")
    assert "mol/s" in result.stderr or "s/mol" in result.stderr
    assert re.search(r"\rargument 2 'bad': ring 1 is not closed[^\r]*\n", result.stderr)


def test_there_is_no_progress_bar_off_a_terminal(make: Callable[..., Result]) -> None:
    assert "mol/s" not in make("[Na+]").stderr


# train and weights


@pytest.fixture(scope="module")
def run_folder(
    tmp_path_factory: pytest.TempPathFactory, ensemble_file: Path, tiny: dict[str, Any]
) -> tuple[Path, Result]:
    folder = tmp_path_factory.mktemp("train")
    model = "\n".join(f"{key} = {value}" for key, value in tiny.items())
    (folder / "c.toml").write_text(
        f'[[data.sets]]\npath = "{ensemble_file}"\n[model]\n{model}\n[optim]\nsteps = 2\n[batch]\npairs = 200\n'
    )
    return folder / "run", confgen("train", folder / "c.toml", "-o", folder / "run", "--device", "cpu")


def test_train_says_where_the_weights_are(run_folder: tuple[Path, Result]) -> None:
    run, result = run_folder
    assert result.exit_code == 0
    assert result.stdout == ""
    assert result.stderr == f"2 steps; generate with --weights {run / 'weights'}\n"


def test_trained_weights_generate(run_folder: tuple[Path, Result], tmp_path: Path) -> None:
    weights = run_folder[0] / "weights"
    result = confgen("generate", "CO", "-w", weights, "--steps", 2, "-n", 1, "-o", tmp_path / "out.sdf")
    assert result.exit_code == 0


def test_train_keeps_a_run_that_is_there(run_folder: tuple[Path, Result]) -> None:
    run, _ = run_folder
    result = confgen("train", run.parent / "c.toml", "-o", run)
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert "--resume" in result.stderr


def test_train_refuses_a_config_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[optim]\nstep = 3\n")
    result = confgen("train", tmp_path / "c.toml", "-o", tmp_path / "run")
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)


def test_weights_lists_what_was_shipped(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "shipped", lambda: {"tiny": weights})
    assert confgen("weights").stdout.split()[:2] == ["tiny", "clofnet"]
    assert confgen("weights", "list").stdout == confgen("weights").stdout


def test_weights_shows_what_is_known(weights: Path) -> None:
    shown = dict(
        line.split(maxsplit=1) for line in confgen("weights", "show", weights).stdout.splitlines() if " " in line
    )
    assert shown["sha256"] == checkpoint.read_config(weights)["sha256"]
    assert (shown["sampler"], shown["num_steps"], shown["steps"], shown["path"]) == ("dpmpp", "2", "42", str(weights))


def test_unknown_weights_cannot_be_shown() -> None:
    result = confgen("weights", "show", "no-such")
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
