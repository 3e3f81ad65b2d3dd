"""`confgen evaluate` scores what it is given, says what it could not score, and puts each in its place."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import run_program
from evaluating import ALANINE, BUTANE, PHENOL, evaluate, read_molecule_3d, scored, write_sdf
from rdkit import Chem

from confgen.checkpoint import Weights
from confgen.conformers import positions, with_positions
from confgen.molecule import read_molecule
from confgen.options import PRESETS
from confgen.pool import generate_serial
from confgen.readers import Record
from confgen.scores import PROTOCOLS
from confgen.settings import GenerateSettings


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def reference(trio: dict[str, Chem.Mol]) -> str:
    return write_sdf("ref.sdf", *trio.items())


@pytest.fixture
def others(trio: dict[str, Chem.Mol], embed_mol: Callable[..., Chem.Mol]) -> str:
    """Six other conformers of each of the molecules."""
    return write_sdf("gen.sdf", *((name, embed_mol(mol, 6, seed=11)) for name, mol in trio.items()))


# Scores


def test_a_file_scores_perfectly_against_itself(reference: str) -> None:
    result = evaluate(reference, reference)
    assert result.exit_code == 0
    summary = scored(reference, reference)["evaluations"][0]["summary"]["failures_as_zero"]
    assert {key: summary[key]["mean"] for key in ("cov_r@0.5", "cov_p@0.5", "stereo")} == dict.fromkeys(
        ("cov_r@0.5", "cov_p@0.5", "stereo"), 1.0
    )
    assert summary["amr_r"]["mean"] == summary["amr_p"]["mean"] == 0.0


def test_order_names_and_numbering_of_atoms_do_not_matter(reference: str, trio: dict[str, Chem.Mol]) -> None:
    random = np.random.default_rng(5)
    shuffled = [
        (f"renamed {index}", Chem.RenumberAtoms(mol, random.permutation(mol.GetNumAtoms()).tolist()))
        for index, mol in enumerate(reversed(trio.values()))
    ]
    (evaluation,) = scored(write_sdf("gen.sdf", *shuffled), reference)["evaluations"]
    assert [scores["name"] for scores in evaluation["scores"]] == list(trio)
    assert [scores["amr_r"] for scores in evaluation["scores"]] == [0.0, 0.0, 0.0]
    assert [scores["amr_p"] for scores in evaluation["scores"]] == [0.0, 0.0, 0.0]


def test_the_wrong_enantiomer_is_near_enough_but_not_right(trio: dict[str, Chem.Mol]) -> None:
    mirrored = with_positions(trio[ALANINE], positions(trio[ALANINE]) * [1, 1, -1])
    reference = write_sdf("ref.sdf", ("alanine", trio[ALANINE]))
    summary = scored(write_sdf("gen.sdf", ("alanine", mirrored)), reference, "--match", "name")["evaluations"][0]
    values = summary["summary"]["failures_as_zero"]
    assert values["cov_r@0.75"]["mean"] == 1.0
    assert values["amr_r"]["mean"] > 0.3
    assert values["stereo"]["mean"] == 0.0
    assert "centre" in summary["scores"][0]["wrong_stereo"]


def test_several_methods_stand_in_one_table_each_under_its_name(reference: str, others: str) -> None:
    result = evaluate(others, f"same={reference}", reference)
    rows = [line.split() for line in result.stdout.splitlines()]
    assert {row[0] for row in rows if len(row) > 1 and row[1] in ("0.5", "0.75", "1.25")} == {"gen", "same"}
    methods = [e["method"] for e in scored(others, f"same={reference}", reference)["evaluations"]]
    assert methods == ["gen", "same"]


def test_thresholds_and_limits_of_the_protocol_can_be_changed(reference: str, others: str) -> None:
    options = ("--protocol", "confgf", "--threshold", "1.5", "--threshold", "0.1", "--per-reference", "all")
    document = scored(others, reference, *options)
    protocol = {"name": "confgf", "thresholds": [0.1, 1.5], "main": 1.5, "inclusive": True, "per_reference": None}
    assert document["protocol"] == protocol
    assert scored(others, reference, "--per-reference", 1)["evaluations"][0]["scores"][0]["num_generated"] == 3


def test_a_limit_takes_the_first_molecules(reference: str, others: str) -> None:
    result = evaluate(others, reference, "--limit", 2)
    assert result.exit_code == 0
    assert "2 molecules, 6 conformers" in result.stdout
    assert "note: gen: 1 molecule belongs to none of the first 2 references" in result.stderr


def test_one_conformer_for_each_reference_is_one(reference: str, others: str) -> None:
    assert "; first 1 conformer per reference scored" in evaluate(others, reference, "--per-reference", 1).stdout


# Outputs


def test_the_json_says_what_made_it(reference: str, others: str) -> None:
    document = scored(others, reference)
    assert document["format"] == "confgen-evaluation-1"
    assert set(document["versions"]) == {"python", "numpy", "rdkit"}
    assert document["reference"] == {"file": "ref.sdf", "molecules": 3, "conformers": 9}
    (evaluation,) = document["evaluations"]
    assert len(evaluation["curves"]["recall"]) == len(evaluation["curves"]["thresholds"])
    assert len(evaluation["scores"][0]["precision"]) == 6


def test_the_csv_has_a_row_for_each_molecule_and_method(reference: str, others: str) -> None:
    result = evaluate(others, f"same={reference}", reference, "--csv", "-")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [(row["method"], row["name"]) for row in rows] == [
        (method, name) for method in ("gen", "same") for name in (ALANINE, BUTANE, PHENOL)
    ]
    assert float(rows[3]["amr_r"]) == 0.0
    assert [float(row["cov_r@1.25"]) for row in rows[3:]] == [1.0] * 3


def test_files_are_written_besides_the_table(reference: str, others: str) -> None:
    result = evaluate(others, reference, "--json", "out.json", "--csv", "out.csv", "--html", "out.html")
    assert result.exit_code == 0
    assert "COV-R" in result.stdout
    assert json.loads(Path("out.json").read_text())["format"] == "confgen-evaluation-1"
    page = Path("out.html").read_text()
    assert "<html" in page
    assert f"<dd>{escape(json.loads(Path('out.json').read_text())['command'])}</dd>" in page


def test_quiet_leaves_the_table_and_what_failed(reference: str, trio: dict[str, Chem.Mol]) -> None:
    two = write_sdf("gen.sdf", (ALANINE, trio[ALANINE]), ("stranger", read_molecule_3d("CCO")))
    result = evaluate(two, reference, "-q")
    assert "COV-R" in result.stdout
    assert len(result.stderr.splitlines()) == 2  # the two that failed, and neither the stranger nor the time


@pytest.mark.parametrize(("options", "said"), [
    (("--json", "ref.sdf"), "is an input"),
    (("--json", "there.json"), "exists already"),
    (("--csv", "no/where.csv"), "does not exist"),
    (("--json", "-", "--csv", "-"), "standard output can take one"),
    (("--json", "a", "--csv", "a"), "choose two names"),
])  # fmt: skip
def test_outputs_are_refused_before_anything_is_read(options: tuple[str, ...], said: str, reference: str) -> None:
    Path("there.json").write_text("{}")
    Path("damaged.parquet").write_text("not reached")
    result = evaluate("damaged.parquet", reference, *options)
    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.parametrize(("arguments", "said"), [
    (("ref.sdf",), "--generate"),
    (("ref.sdf", "ref.sdf", "ref.sdf"), "two methods"),
    (("a=ref.sdf", "a=ref.sdf", "ref.sdf"), "two methods"),
    (("ref.sdf", "ref.sdf", "--threshold", "0"), "not a distance"),
    (("ref.sdf", "ref.sdf", "--per-reference", "some"), "not a whole number"),
    (("ref.sdf", "--generate", "-w", "no such weights"), "no such weights"),
    (("ref.sdf", "ref.sdf", "--preset", "fast"), "--generate"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...], said: str, reference: str) -> None:
    del reference
    result = evaluate(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_help_needs_neither_torch_nor_rdkit() -> None:
    text, imported = run_program("evaluate", "--help")
    assert all(f"{name}:" in text for name in PROTOCOLS)
    assert all(kind in text for kind in (".sdf", ".xyz", ".jsonl", ".parquet"))
    assert imported == set()


def test_files_are_compared_without_torch(reference: str) -> None:
    _, imported = run_program("evaluate", reference, reference, "-q")
    assert imported == {"rdkit", "numpy"}


@pytest.mark.skipif(find_spec("tblite") is None, reason="tblite is not installed")
def test_properties_are_told_of_each_method(embed_mol: Callable[..., Chem.Mol]) -> None:
    water = embed_mol(read_molecule("O"), 1)
    reference = write_sdf("ref.sdf", ("water", water))
    bent = write_sdf("bent.sdf", ("water", with_positions(water, 1.02 * positions(water))))
    first, second = scored(bent, f"same={reference}", reference, "--properties", "--workers", 1)["evaluations"]
    assert first["properties"]["energy_kcal_mol"] < 0.01  # both are relaxed
    assert second["properties"]["energy_kcal_mol"] == 0.0
    assert (first["properties"]["molecules_failed"], first["properties"]["conformers"]) == (0, 2)


# Generating on the spot


def test_generate_makes_at_most_two_conformers_for_each_reference(reference: str, weights: Path) -> None:
    (evaluation,) = scored(reference, "--generate", "-w", weights, "--limit", 2)["evaluations"]
    assert evaluation["method"] == "confgen"
    assert "tiny" in evaluation["source"]
    assert all(1 <= scores["num_generated"] <= 6 for scores in evaluation["scores"])  # fewer where they are alike
    assert all(scores["amr_r"] > 0 for scores in evaluation["scores"])


def test_a_preset_changes_how_conformers_are_made(
    reference: str, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[GenerateSettings] = []

    def spy(records: Iterable[Record], weights: Weights, settings: GenerateSettings, counts: Iterable[int]) -> Any:
        used.append(settings)
        return generate_serial(records, weights, settings, counts)

    monkeypatch.setattr("confgen.cli.sampling.generate_serial", spy)
    options = ("--generate", "--preset", "docking", "--seed", 5, "-w", weights, "--limit", 1)
    (evaluation,) = scored(reference, *options)["evaluations"]
    assert [(settings.rms, settings.seed) for settings in used] == [(PRESETS["docking"].options["rms"], 5)]
    assert 1 <= evaluation["scores"][0]["num_generated"] <= 6  # two for each reference, whatever the preset says
    assert "preset docking" in evaluation["source"]


def test_the_generator_never_sees_the_coordinates(
    reference: str, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def spy(records: Any, *_: object) -> Any:
        for record in records:
            seen.append(record.mol.GetNumConformers())
            assert not record.mol.GetPropsAsDict(True).keys() & {"positions", "conformers"}
        return (made for made in ())

    monkeypatch.setattr("confgen.cli.sampling.generate_serial", spy)
    with pytest.raises(ValueError, match="zip"):
        evaluate(reference, "--generate", "-w", weights)
    assert seen == [0, 0, 0]
