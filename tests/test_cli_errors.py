"""Whatever is wrong: one clear line, the right exit code, and no half-written output."""

from __future__ import annotations

import gzip
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from commands import check_one_line, confgen
from rdkit import Chem
from typer.testing import Result

from confgen.outfile import OutputFile
from confgen.record_tags import EnsembleLike
from confgen.writer import Writer

COMMAND = [sys.executable, "-c", "from confgen.cli import main; main()"]
MOL = "water" + Chem.MolToMolBlock(Chem.MolFromSmiles("O"))
NO_ATOMS = "empty" + Chem.MolToMolBlock(Chem.Mol())


@pytest.fixture
def make(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Function: arguments -> the result of `confgen generate` in an empty folder, valid or not, to out.sdf."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, output: str = "out.sdf", weights: Path = weights, input: str | None = None) -> Result:
        common = ("-w", weights, "-n", 1, "--keep-invalid", "-o", output)
        return confgen("generate", *common, *arguments, input=input)

    return run


# Molecules that cannot be done


@pytest.mark.parametrize(("smiles", "said"), [
    ("CC(=O)Oc1ccccc", "ring 1 is not closed"), ("[Xx]", '"[Xx]"'), ("", "the SMILES is empty"), ("C*", "dummy"),
    ("C(C)(C)(C)(C)C", "valence 5"),
])  # fmt: skip
def test_a_smiles_that_is_none(smiles: str, said: str, make: Callable[..., Result]) -> None:
    check_one_line(make(smiles), 4, said)


@pytest.mark.parametrize(("text", "said"), [
    (MOL.split("M  END")[0], "cut short"), (NO_ATOMS, "no atoms"),
    (MOL.replace(" O ", " Xx"), "'Xx' is no element"),
], ids=["truncated", "no atoms", "unknown element"])  # fmt: skip
def test_an_sdf_with_a_bad_record(text: str, said: str, make: Callable[..., Result]) -> None:
    Path("in.sdf").write_text(text)
    check_one_line(make("in.sdf"), 4, said)


def test_what_was_read_before_an_sdf_breaks_off_is_done(make: Callable[..., Result]) -> None:
    Path("in.sdf").write_text(f"{MOL}$$$$\n{MOL.split('M  END')[0]}")
    result = make("in.sdf")
    assert result.exit_code == 3
    assert "in.sdf record 2 'water': the record is cut short" in result.stderr
    assert Path("out.sdf").read_text().count("$$$$") == 1


@pytest.mark.parametrize("name", ["in.smi", "in.sdf", "in.csv", "in.sdf.gz"])
def test_an_empty_file(name: str, make: Callable[..., Result]) -> None:
    Path(name).touch()
    check_one_line(make(name), 4, f"{name}: no molecules in it")


def test_empty_standard_input(make: Callable[..., Result]) -> None:
    check_one_line(make("-", input=""), 4, "no molecules in it")


# Inputs, weights and devices that cannot be used


@pytest.mark.parametrize("name", ["missing.smi", "missing.sdf.gz", "no/such/file"])
def test_a_missing_file(name: str, make: Callable[..., Result]) -> None:
    check_one_line(make(name), 2, f"{name}: no such file")


def test_a_directory(make: Callable[..., Result]) -> None:
    Path("folder").mkdir()
    check_one_line(make("folder"), 2, "folder: is a directory")


def test_a_binary_file(make: Callable[..., Result]) -> None:
    Path("in.smi").write_bytes(b"\x7fELF\0\0\0")
    check_one_line(make("in.smi"), 2, "in.smi: is binary")


def test_a_file_that_is_not_gzip_as_its_name_says(make: Callable[..., Result]) -> None:
    Path("in.sdf.gz").write_text(MOL)
    check_one_line(make("in.sdf.gz"), 2, "in.sdf.gz: is not gzip-compressed")


def test_a_gzip_file_cut_short(make: Callable[..., Result]) -> None:
    Path("in.sdf.gz").write_bytes(gzip.compress(f"{MOL}$$$$\n".encode() * 2)[:-30])
    result = make("in.sdf.gz")
    assert result.exit_code in (3, 4)
    assert "damaged or cut short" in result.stderr


def test_a_table_without_the_column(make: Callable[..., Result]) -> None:
    Path("in.csv").write_text("a,b\n1,2\n")
    check_one_line(make("in.csv"), 2, "has no SMILES column")


def test_weights_with_another_hash(make: Callable[..., Result], weights: Path) -> None:
    copy = Path(shutil.copytree(weights, "weights"))
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"sha256": "0" * 64}))
    check_one_line(make("C", weights=copy), 2, "sha256")


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"network": "clofnet"}'])
def test_weights_with_a_damaged_config(damage: str, make: Callable[..., Result], weights: Path) -> None:
    copy = Path(shutil.copytree(weights, "weights"))
    (copy / "config.json").write_text(damage)
    check_one_line(make("C", weights=copy), 2, "config.json: damaged")


def test_unknown_weights(make: Callable[..., Result]) -> None:
    check_one_line(make("C", weights=Path("no-such")), 2, "'no-such' are unknown")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there(make: Callable[..., Result]) -> None:
    check_one_line(make("C", "--device", "cuda"), 2, "no GPU can be used here")


def test_an_unknown_device(make: Callable[..., Result]) -> None:
    check_one_line(make("C", "--device", "tpu"), 2, "'tpu'")


def test_settings_that_make_no_sense(make: Callable[..., Result]) -> None:
    check_one_line(make("C", "--timeout", "0"), 2, "timeout is 0.0 s")


# Outputs that cannot be written


@pytest.mark.parametrize(("option", "path"), [("-o", "a.sdf"), ("--failed", "a.smi"), ("--report", "a.jsonl")])
def test_an_output_that_exists_is_kept(option: str, path: str, make: Callable[..., Result]) -> None:
    Path(path).write_text("precious")
    check_one_line(make("[Na+]", option, path), 2, f"{path}: exists already; pass --force")
    assert Path(path).read_text() == "precious"


@pytest.mark.parametrize("path", ["failed.csv", "failed.sdf", "failed.csv.gz", "failed"])
def test_a_list_of_failures_that_could_not_be_read_back(path: str, make: Callable[..., Result]) -> None:
    check_one_line(make("[Na+]", "--failed", path), 2, f"{path}: the list of --failed has SMILES between tabs")


def test_an_output_that_exists_is_replaced_by_force(make: Callable[..., Result]) -> None:
    Path("out.sdf").write_text("old")
    assert make("[Na+]", "--force").exit_code == 0
    assert "$$$$" in Path("out.sdf").read_text()


@pytest.mark.parametrize(("option", "path"), [("-o", "a.sdf"), ("--failed", "a.smi"), ("--report", "a.jsonl")])
def test_an_output_in_a_missing_folder(option: str, path: str, make: Callable[..., Result]) -> None:
    check_one_line(make("[Na+]", option, f"no/such/{path}"), 2, "no/such does not exist")


def test_an_output_without_a_known_format(make: Callable[..., Result]) -> None:
    check_one_line(make("[Na+]", output="result"), 2, "end it in .sdf, .xyz, .jsonl (also .gz) or .parquet")


def test_an_output_is_refused_before_anything_is_computed(make: Callable[..., Result]) -> None:
    check_one_line(make("missing.smi", weights=Path("no-such"), output="no/such/x.sdf"), 2, "does not exist")


@pytest.mark.parametrize("pair", [("-o", "--failed"), ("-o", "--report"), ("--failed", "--report")])
def test_one_file_for_two_outputs(pair: tuple[str, str], make: Callable[..., Result]) -> None:
    check_one_line(make("[Na+]", pair[0], "out1.sdf", pair[1], "./out1.sdf", "--force"), 2, "choose two names")


@pytest.mark.parametrize("option", ["-o", "--failed", "--report"])
def test_an_output_that_is_an_input(option: str, make: Callable[..., Result]) -> None:
    Path("in.sdf").write_text(MOL)
    Path("link.sdf").symlink_to("in.sdf")
    check_one_line(make("in.sdf", option, "link.sdf", "--force"), 2, "link.sdf: is an input")
    assert Path("in.sdf").read_text() == MOL


@pytest.mark.parametrize("option", ["--failed", "--report"])
def test_standard_output_is_for_conformers(option: str, make: Callable[..., Result]) -> None:
    check_one_line(make("[Na+]", option, "-"), 2, "standard output is for conformers")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here, which is a disk that is always full")
@pytest.mark.parametrize(
    ("option", "format"), [("-o", "sdf"), ("-o", "parquet"), ("--failed", "sdf"), ("--report", "sdf")]
)
def test_a_full_device(option: str, format: str, make: Callable[..., Result]) -> None:
    check_one_line(make("[Na+]", option, "/dev/full", "--format", format), 2, "/dev/full: no space left on device")


@pytest.mark.parametrize("molecules", [1, 400])
def test_a_full_disk(molecules: int, make: Callable[..., Result]) -> None:
    """A file that may not grow beyond 64 kB stands in for a small disk: mounting one needs rights we may not have."""
    resource = pytest.importorskip("resource")
    Path("in.smi").write_text("[Na+]\n" * molecules)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100 if molecules == 1 else 65536, limits[1]))
    try:
        result = make("in.smi", "--workers", "1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    check_one_line(result, 2, "out.sdf: file too large")


# Runs that are cut off


@pytest.mark.parametrize("closed", ["2>&-", "2>/dev/full", "2>&1 >/dev/null | true"])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux only")
def test_a_run_goes_on_when_nobody_hears_it(closed: str, weights: Path, tmp_path: Path) -> None:
    options = ["-w", str(weights), "-n", "1", "--keep-invalid", "-o", "o.sdf"]
    words = [*COMMAND, "generate", "bad1", "CCO", "bad2", *options]
    line = f"({shlex.join(words)}; echo $? > code) {closed}"
    subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, check=False, timeout=120)
    assert (tmp_path / "code").read_text().strip() == "3"
    assert len(Chem.SDMolSupplier(str(tmp_path / "o.sdf"))) == 1


@pytest.mark.parametrize(("output", "closed", "said"), [
    ("-", ">&-", "standard output is closed"), ("o.sdf", "<&-", "no molecules in it"),
])  # fmt: skip
def test_a_standard_stream_that_is_closed_is_told_of(
    output: str, closed: str, said: str, weights: Path, tmp_path: Path
) -> None:
    source = "-" if closed.startswith("<") else "CCO"
    words = [*COMMAND, "generate", source, "-w", str(weights), "-n", "1", "-o", output]
    line = f"{shlex.join(words)} {closed}"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode in (2, 4)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_template_is_not_written_over(make: Callable[..., Result]) -> None:
    Path("out.sdf").write_text(MOL + "$$$$\n")
    before = Path("out.sdf").read_text()
    result = make("O", "--template", "out.sdf", "--force")
    assert result.exit_code == 2
    assert "is an input" in result.stderr
    assert Path("out.sdf").read_text() == before


def started(folder: Path, weights: Path, *arguments: str) -> subprocess.Popen[str]:
    """A run of a thousand molecules, as it has done the first."""
    (folder / "in.smi").write_text("".join(f"{'C' * (4 + n % 9)}O m{n}\n" for n in range(1000)))
    command = [*COMMAND, "generate", "in.smi", "-w", str(weights), "-n", "2", "--keep-invalid", "-v", *arguments]
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr is not None
    while "in.smi:1 " not in process.stderr.readline():
        assert process.poll() is None
    return process


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [("SIGINT", 130, "interrupted"), ("SIGTERM", 143, "terminated"), ("SIGHUP", 129, "hung up")],
)
def test_a_signal_leaves_nothing_behind(
    name: str, code: int, said: str, make: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Writer.write

    def write(self: Writer, ensemble: EnsembleLike) -> None:
        real(self, ensemble)
        if self.num_molecules == 3:
            os.kill(os.getpid(), getattr(signal, name))

    monkeypatch.setattr(Writer, "write", write)
    if name != "SIGINT":  # under nohup, say, it would stay ignored
        monkeypatch.setattr(signal, "getsignal", lambda _: signal.SIG_DFL)
    result = make("-", "--report", "out.jsonl", "--workers", "1", input="CCCO\n" * 1000)
    check_one_line(result, code, f"{said}; no output was written")


EMBEDDING = """
import os, subprocess, typer
from confgen.cli.console import exits
try:
    with exits("too bad"):
        from rdkit import Chem
        from rdkit.Chem import rdDistGeom
        mol = Chem.AddHs(Chem.MolFromSmiles("C" * 60))  # half a second; RDKit itself would cancel it and say nothing
        subprocess.Popen(["sh", "-c", f"sleep 0.2; kill -INT {os.getpid()}"])
        for seed in range(20):
            rdDistGeom.EmbedMolecule(mol, randomSeed=seed, useRandomCoords=True)
except typer.Exit as ended:
    raise SystemExit(ended.exit_code)
"""


def test_ctrl_c_is_heard_while_rdkit_embeds() -> None:
    # In a process of its own, and RDKit imported when the commands import it: a thread that was there before, as torch
    # and NumPy's BLAS start them, does not block the signal and may catch it.
    run = subprocess.run([sys.executable, "-c", EMBEDDING], capture_output=True, text=True, timeout=60)
    assert run.returncode == 130
    assert run.stderr.splitlines()[-1] == "interrupted; too bad"


def test_ctrl_c_in_a_terminal_ends_workers_without_a_word(weights: Path, tmp_path: Path) -> None:
    run = started(tmp_path, weights, "-o", "out.sdf", "--workers", "2", "--report", "report.jsonl")
    os.killpg(run.pid, signal.SIGINT)
    lines = run.communicate(timeout=30)[1].splitlines()
    assert run.returncode == 130
    assert lines[-1] == "interrupted; no output was written"
    assert [line for line in lines[:-1] if not line.startswith("in.smi:")] == []
    assert [path.name for path in tmp_path.iterdir()] == ["in.smi"]


def test_a_reader_that_goes_away_ends_the_run_in_one_line(weights: Path, tmp_path: Path) -> None:
    run = started(tmp_path, weights, "-o", "-", "--workers", "1")
    assert run.stdout is not None
    assert run.stderr is not None
    run.stdout.close()
    lines = run.stderr.read().splitlines()
    assert run.wait(timeout=30) == 2
    assert lines[-1] == "-: the program reading the output has ended"
    assert [line for line in lines[:-1] if not line.startswith("in.smi:")] == []


def test_a_bug_shows_its_traceback(make: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a mistake of ours")

    monkeypatch.setattr(OutputFile, "write", broken)
    with pytest.raises(KeyError, match="a mistake of ours"):
        make("[Na+]")
    assert list(Path().iterdir()) == []
