"""Promises of `confgen.pickles`: GEOM's files are read, and no pickle runs anything."""

from __future__ import annotations

import collections
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from confgen.ensembles import read_ensembles
from confgen.errors import InputError
from confgen.pickles import RefusedPickle, read_pickle


def embedded(smiles: str) -> Chem.Mol:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    rdDistGeom.EmbedMolecule(mol, randomSeed=7)
    return mol


def geom() -> dict[str, Any]:
    """What a file of `rdkit_folder` holds, with numbers of numpy here and there."""
    rows = [
        {"rd_mol": embedded("CCO"), "boltzmannweight": np.float64(0.75), "relativeenergy": 0.0, "geom_id": 1},
        {"rd_mol": embedded("CCO"), "boltzmannweight": 0.25, "relativeenergy": np.float32(0.5), "geom_id": np.int64(2)},
    ]
    return {"smiles": "CCO", "uniqueconfs": 2, "charge": 0, "datasets": ["drugs"], "conformers": rows}


def written(path: Path, content: object, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_file_of_geom_is_read_from_every_protocol(tmp_path: Path, protocol: int) -> None:
    (found,) = read_pickle(written(tmp_path / "a.pickle", geom(), protocol))
    assert (found.name, found.weights, found.energies) == ("CCO", [0.75, 0.25], [0.0, 0.5])
    before = geom()["conformers"][0]["rd_mol"].GetConformer().GetPositions()
    np.testing.assert_allclose(found.mols[0].GetConformer().GetPositions(), before, atol=1e-5)


def test_a_dictionary_from_smiles_to_molecules_is_read(tmp_path: Path) -> None:
    content = {"CCO": [embedded("CCO")] * 2, "CN": [embedded("CN")], "other": {"smiles": "CO", **geom()}}
    found = read_pickle(written(tmp_path / "a.pkl", content))
    assert [(one.name, len(one.mols)) for one in found] == [("CCO", 2), ("CN", 1), ("CCO", 2)]


@pytest.mark.parametrize("extra", [{1, 2}, frozenset("a"), collections.OrderedDict(a=1), np.arange(3.0), b"x", None])
def test_plain_data_beside_the_molecules_is_let_in(tmp_path: Path, extra: object) -> None:
    for protocol in (2, 4, 5):
        assert len(read_pickle(written(tmp_path / "a.pickle", geom() | {"extra": extra}, protocol))) == 1


class Malicious:
    def __init__(self, call: Any, *arguments: object) -> None:
        self.call = call, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("call", [os.system, eval, exec, getattr, __import__, Path.touch])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_would_run_code_is_refused_and_does_not(tmp_path: Path, call: Any, protocol: int) -> None:
    trace = tmp_path / "trace"
    text = f"touch {trace}" if call is os.system else f"open({str(trace)!r}, 'w')"
    content = geom() | {"extra": Malicious(call, trace if call is Path.touch else text)}
    with pytest.raises(RefusedPickle) as refusal:
        read_pickle(written(tmp_path / "bad.pickle", content, protocol))
    assert not trace.exists()
    assert "\n" not in str(refusal.value)
    assert "bad.pickle: the pickle asks for" in str(refusal.value)


def test_a_pickle_cannot_reach_a_class_through_what_it_is_given(tmp_path: Path) -> None:
    # GLOBAL Mol, then BUILD with a slot state, which sets attributes on whatever GLOBAL gave
    stream = b"crdkit.Chem.rdchem\nMol\n(N}(S'GetNumAtoms'\nNutb."
    (tmp_path / "a.pickle").write_bytes(stream)
    with pytest.raises(InputError):
        read_pickle(tmp_path / "a.pickle")
    assert callable(Chem.Mol.GetNumAtoms)
    assert len(read_pickle(written(tmp_path / "b.pickle", geom()))) == 1


def test_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no number"):
        read_pickle(written(tmp_path / "a.pickle", geom() | {"extra": np.array([None, {}], dtype=object)}))


@pytest.mark.parametrize("content", [[1, 2], {}, {"conformers": [{"xyz": 1}]}, "text", 3])
def test_another_form_is_refused_in_one_line(tmp_path: Path, content: object) -> None:
    with pytest.raises(InputError, match="no molecules in a known form"):
        read_pickle(written(tmp_path / "a.pickle", content))


@pytest.mark.parametrize("damage", [lambda data: data[:0], lambda data: data[:-30], lambda data: b"SDF file\n" + data])
def test_a_damaged_pickle_is_refused_in_one_line(tmp_path: Path, damage: Any) -> None:
    (tmp_path / "a.pickle").write_bytes(damage(pickle.dumps(geom())))
    with pytest.raises(InputError, match=r"a\.pickle: ") as refusal:
        read_pickle(tmp_path / "a.pickle")
    assert "\n" not in str(refusal.value)


def test_an_energy_that_is_no_number_is_named(tmp_path: Path) -> None:
    content = geom()
    content["conformers"][1]["relativeenergy"] = None
    [found] = read_ensembles(written(tmp_path / "a.pickle", content))
    assert found.energies is None
    assert "its energies are left out: that of conformer 2" in found.notes[0]
    assert found.weights is not None
    assert found.weights.tolist() == [0.75, 0.25]


def test_a_compressed_pickle_is_to_be_unpacked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unpack it"):
        read_ensembles(written(tmp_path / "a.pickle.gz", geom()))


def test_molecules_without_conformers_are_no_unknown_form(tmp_path: Path) -> None:
    [found] = read_ensembles(written(tmp_path / "a.pickle", geom() | {"conformers": []}))
    assert "has no conformers" in str(found.error)
