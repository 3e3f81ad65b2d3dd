"""`confgen evaluate` says what it could not score, and why, and goes on with the rest."""

from __future__ import annotations

import pickle
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import check_one_line
from evaluating import ALANINE, BUTANE, PHENOL, evaluate, read_molecule_3d, scored, write_sdf
from rdkit import Chem
from rdkit.Chem import rdDepictor


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def reference(trio: dict[str, Chem.Mol]) -> str:
    return write_sdf("ref.sdf", *trio.items())


def test_a_molecule_that_is_missing_counts_as_zero_and_is_named(reference: str, trio: dict[str, Chem.Mol]) -> None:
    two = write_sdf("gen.sdf", (ALANINE, trio[ALANINE]), (BUTANE, trio[BUTANE]))
    result = evaluate(two, reference)
    assert result.exit_code == 3
    assert "1 of 3" in result.stdout
    assert PHENOL in result.stderr
    (evaluation,) = scored(two, reference)["evaluations"]
    assert evaluation["failed"] == 1
    assert evaluation["summary"]["failures_as_zero"]["cov_r@0.75"]["mean"] == pytest.approx(2 / 3, abs=1e-4)
    assert evaluation["summary"]["successes_only"]["cov_r@0.75"]["mean"] == 1.0
    assert evaluation["scores"][2]["recall"] == [None, None, None]


@pytest.mark.parametrize("options", [(), ("-q",), ("--limit", 3)])
def test_a_record_that_cannot_be_read_is_named_and_no_success(
    options: tuple[object, ...], reference: str, trio: dict[str, Chem.Mol]
) -> None:
    text = Path(write_sdf("gen.sdf", *trio.items())).read_text()
    Path("gen.sdf").write_text(text[: text.rindex("M  END")])
    result = evaluate("gen.sdf", reference, *options)
    assert result.exit_code == 3
    assert [f"gen.sdf record 9 '{PHENOL}'" in line for line in result.stderr.splitlines()].count(True) == 1


def test_a_column_of_another_type_is_one_line(reference: str) -> None:
    row = {"smiles": 1, "num_confs": 1, "num_atoms": 1, "positions": [0.0, 0.0, 0.0]}
    pq.write_table(pa.Table.from_pylist([row]), "typed.parquet")
    check_one_line(evaluate("typed.parquet", reference), 2, "column 'smiles' is of type int64, not text")


def test_a_molecule_without_a_reference_is_named_and_costs_nothing(reference: str, trio: dict[str, Chem.Mol]) -> None:
    with_more = write_sdf("gen.sdf", *trio.items(), ("stranger", read_molecule_3d("CCO")))
    result = evaluate(with_more, reference)
    assert result.exit_code == 0
    assert "stranger" in result.stderr


def test_long_lists_are_cut_and_counted(reference: str, trio: dict[str, Chem.Mol]) -> None:
    strangers = [(f"stranger {n}", read_molecule_3d("C" * n)) for n in range(5, 13)]
    result = evaluate(write_sdf("gen.sdf", *trio.items(), *strangers), reference)
    assert sum("stranger" in line for line in result.stderr.splitlines()) == 5
    assert "and 3 more" in result.stderr


class _Harmful:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return Path.touch, (Path("harmed"),)


def _bad_inputs() -> dict[str, tuple[Callable[[], str], int, str]]:
    def empty() -> str:
        Path("bad.sdf").write_text("")
        return "bad.sdf"

    def drawing() -> str:
        flat = Chem.MolFromSmiles("CCO")
        rdDepictor.Compute2DCoords(flat)
        Path("bad.sdf").write_text("ethanol" + Chem.MolToMolBlock(flat) + "$$$$\n")
        return "bad.sdf"

    def parquet() -> str:
        Path("bad.parquet").write_bytes(b"PAR1 and then nothing of use PAR1")
        return "bad.parquet"

    def harmful() -> str:
        Path("bad.pickle").write_bytes(pickle.dumps({"conformers": [_Harmful()]}))
        return "bad.pickle"

    return {
        "missing": (lambda: "none.sdf", 2, "none.sdf"),
        "empty": (empty, 2, "bad.sdf"),
        "drawing": (drawing, 4, "3D"),
        "corrupt parquet": (parquet, 2, "bad.parquet"),
        "malicious pickle": (harmful, 2, "bad.pickle"),
        "of another kind": (lambda: __file__, 2, "test_cli_evaluate_failures.py"),
    }


@pytest.mark.parametrize("side", ["generated", "reference"])
@pytest.mark.parametrize("kind", _bad_inputs())
def test_bad_input_is_one_line_and_the_right_exit_code(kind: str, side: str, reference: str) -> None:
    make, code, said = _bad_inputs()[kind]
    bad = make()
    result = evaluate(*((bad, reference) if side == "generated" else (reference, bad)), "--json", "out.json")
    check_one_line(result, code, said)
    assert not Path("harmed").exists()


def test_files_with_no_molecule_in_common_are_one_line(reference: str) -> None:
    strangers = write_sdf("gen.sdf", ("water", read_molecule_3d("O")), ("ethane", read_molecule_3d("CC")))
    check_one_line(evaluate(strangers, reference, "--json", "out.json"), 4, "gen.sdf")


def test_molecules_of_one_name_that_differ_are_the_reason(reference: str) -> None:
    other = write_sdf("gen.sdf", ("water", read_molecule_3d("O")), (BUTANE, read_molecule_3d("CCC")))
    said = f"gen.sdf record 2 '{BUTANE}' is another molecule than ref.sdf record 4 '{BUTANE}': CCC, not CCCC"
    check_one_line(evaluate(other, reference), 4, f"can be compared with ref.sdf: {said} (and 1 more)")


def test_where_no_conformer_is_finite_that_is_the_reason(trio: dict[str, Chem.Mol]) -> None:
    butane = trio[BUTANE]
    row = {"name": "butane", "smiles": Chem.MolToSmiles(butane), "num_confs": 1, "num_atoms": butane.GetNumAtoms()}
    row["positions"] = [float("nan")] * (3 * butane.GetNumAtoms())
    pq.write_table(pa.Table.from_pylist([row]), "nan.parquet")
    reference = write_sdf("ref.sdf", ("butane", butane))
    more = write_sdf("gen.sdf", ("butane", butane), ("stranger", read_molecule_3d("CCO")))
    check_one_line(evaluate("nan.parquet", reference), 4, "row 1 'butane': no conformer has finite positions")
    check_one_line(evaluate(more, "nan.parquet"), 4, "row 1 'butane': each of its conformers has positions")


@pytest.mark.parametrize("options", [(), ("--csv", "out.csv"), ("--json", "-")])
def test_standard_output_that_is_closed_is_one_line(options: tuple[str, ...], reference: str) -> None:
    words = [sys.executable, "-c", "from confgen.cli import main; main()", "evaluate", reference, reference, *options]
    line = f"{shlex.join(words)} >&-"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2, done.stderr
    assert "standard output is closed" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not Path("out.csv").exists()
