"""`confgen evaluate` as tests run it, and what they give it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from commands import confgen
from rdkit import Chem
from typer.testing import Result

from confgen.conformers import with_positions
from confgen.molecule import read_molecule

ALANINE, BUTANE, PHENOL = TRIO = "C[C@H](N)C(=O)O", "CCCC", "Oc1ccccc1"


def evaluate(*arguments: object) -> Result:
    """`confgen evaluate` run in this process; a bug raises."""
    return confgen("evaluate", *arguments)


def scored(*arguments: object) -> dict[str, Any]:
    """The JSON document of a run, which has nothing in it that JSON does not know."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} in the JSON")

    result = evaluate(*arguments, "--json", "-")
    assert result.exit_code in (0, 3), result.stderr
    document: dict[str, Any] = json.loads(result.stdout, parse_constant=refuse)
    return document


def write_sdf(name: str, *ensembles: tuple[str, Chem.Mol]) -> str:
    """An SD file of titled molecules, one record for each conformer."""
    with Chem.SDWriter(name) as writer:
        for title, mol in ensembles:
            titled = Chem.Mol(mol)
            titled.SetProp("_Name", title)
            for conformer in titled.GetConformers():
                writer.write(titled, confId=conformer.GetId())
    return name


def read_molecule_3d(smiles: str) -> Chem.Mol:
    mol = read_molecule(smiles)
    random = np.random.default_rng(1)
    return with_positions(mol, random.normal(scale=3.0, size=(1, mol.GetNumAtoms(), 3)))
