"""Conformer generators of others, each a function of a molecule without coordinates and a number of conformers.

They are given the molecule as a SMILES with every hydrogen in it, so that their atoms are ours in the order of that
SMILES; `placed` brings the positions back and raises if a program changed an element or a bond on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from rdkit import Chem

Make = Callable[[Chem.Mol, int], np.ndarray]  # positions (P, N, 3) angstrom

OPENBABEL_SEARCHES = ("genetic", "weighted", "confab")
OPENBABEL_STEPS = 250  # of MMFF94, steepest descent and then conjugate gradients, on the structure it builds
OPENBABEL_ROTOR_STEPS = 25  # on each conformer of the weighted search, as `obabel --conformer --weighted`
CONFAB_RMSD, CONFAB_WINDOW = 0.5, 50.0  # angstrom, kcal/mol: the defaults of `obabel --confab`
CONFAB_TRIES = 1000  # conformers looked at; its default of a million takes hours for a flexible molecule


def conforge() -> tuple[str, Make]:
    """CONFORGE as its manual recommends it for diverse ensembles; it is deterministic. Raises ImportError."""
    from CDPL import Chem as CDPLChem  # type: ignore[import-untyped]
    from CDPL import ConfGen

    generator = ConfGen.ConformerGenerator()
    generator.settings.assign(ConfGen.ConformerGeneratorSettings.MEDIUM_SET_DIVERSE)
    generator.settings.timeout = 0  # none: on a timeout of its own it returns nothing either

    def make(mol: Chem.Mol, count: int) -> np.ndarray:
        smiles, order = written(mol)
        theirs = CDPLChem.parseSMILES(smiles)
        ConfGen.prepareForConformerGeneration(theirs)
        generator.settings.maxNumOutputConformers = count
        status = generator.generate(theirs)
        if not generator.numConformers:
            raise RuntimeError(f"CONFORGE ended with status {status}")
        elements = [CDPLChem.getSymbol(atom) for atom in theirs.atoms]
        bonds = [(bond.begin.index, bond.end.index) for bond in theirs.bonds]
        found = [np.array(generator.getConformer(k)) for k in range(generator.numConformers)]
        return placed(mol, order, elements, bonds, found)

    return f"CDPKit {version('cdpkit')} CONFORGE, MEDIUM_SET_DIVERSE", make


def openbabel(search: str) -> tuple[str, Make]:
    """Open Babel's builder, a force field on what it built, and one of its searches over torsions.

    `genetic` is the default of `obabel --conformer`, seeded by the clock; of what `confab` finds, the first so many
    are taken. Raises ImportError.
    """
    from openbabel import openbabel as ob  # type: ignore[import-untyped]

    ob.obErrorLog.SetOutputLevel(0)

    def make(mol: Chem.Mol, count: int) -> np.ndarray:
        smiles, order = written(mol)
        theirs = _built(ob, smiles)
        field = _relaxing(ob, theirs)
        if search == "genetic":
            genetic = ob.OBConformerSearch()
            if genetic.Setup(theirs, count):  # False without rotors: the one conformer stands
                genetic.Search()
                genetic.GetConformers(theirs)
        elif search == "weighted":
            field.WeightedRotorSearch(count, OPENBABEL_ROTOR_STEPS)
            field.GetConformers(theirs)
        else:
            field.DiverseConfGen(CONFAB_RMSD, CONFAB_TRIES, CONFAB_WINDOW, False)
            field.GetConformers(theirs)
        table = Chem.GetPeriodicTable()
        elements = [table.GetElementSymbol(atom.GetAtomicNum()) for atom in ob.OBMolAtomIter(theirs)]
        bonds = [(bond.GetBeginAtomIdx() - 1, bond.GetEndAtomIdx() - 1) for bond in ob.OBMolBondIter(theirs)]
        found = []
        for k in range(min(count, theirs.NumConformers())):
            theirs.SetConformer(k)
            found.append([(atom.GetX(), atom.GetY(), atom.GetZ()) for atom in ob.OBMolAtomIter(theirs)])
        return placed(mol, order, elements, bonds, found)

    return f"Open Babel {version('openbabel-wheel')}, {search} search", make


def _read(ob: Any, smiles: str) -> Any:
    theirs, reader = ob.OBMol(), ob.OBConversion()
    reader.SetInFormat("smi")
    if not reader.ReadString(theirs, smiles):
        raise ValueError("Open Babel cannot read the SMILES")
    return theirs


def _built(ob: Any, smiles: str) -> Any:
    """The molecule with one conformer, by distance geometry where fragments do not fit, as in `obabel --gen3d`."""
    theirs = _read(ob, smiles)
    if ob.OBBuilder().Build(theirs):
        return theirs
    source, theirs = _read(ob, smiles), _read(ob, smiles)
    if not ob.OBOp.FindType("gen3D").Do(source, "dg") or source.GetDimension() != 3:
        raise RuntimeError("Open Babel cannot build the molecule with the stereochemistry asked for")
    for atom, placed_atom in zip(ob.OBMolAtomIter(theirs), ob.OBMolAtomIter(source), strict=True):
        atom.SetVector(placed_atom.GetX(), placed_atom.GetY(), placed_atom.GetZ())  # source keeps another conformer
    theirs.SetDimension(3)
    return theirs


def _relaxing(ob: Any, theirs: Any) -> Any:
    """The force field set up with the molecule, which it has relaxed; raises RuntimeError."""
    for name in ("MMFF94", "UFF"):  # the second where the first has no parameters, as `obabel --gen3d`
        field = ob.OBForceField.FindForceField(name)
        if field.Setup(theirs):
            field.SteepestDescent(OPENBABEL_STEPS)
            field.ConjugateGradients(OPENBABEL_STEPS)
            field.UpdateCoordinates(theirs)
            return field
    raise RuntimeError("Open Babel has no force-field parameters for the molecule")


def openconf(preset: str, seed: int) -> tuple[str, Make]:
    """Rowan's openconf: ETKDG, then torsional Monte Carlo with MMFF94s. Raises ImportError, ValueError."""
    from openconf import generate_conformers, preset_config  # type: ignore[import-not-found]

    preset_config(preset)  # raises for one that does not exist

    def make(mol: Chem.Mol, count: int) -> np.ndarray:
        config = preset_config(preset)
        config.max_out, config.pool_max = count, max(config.pool_max, count)
        config.random_seed, config.num_threads = seed, 1
        ensemble = generate_conformers(Chem.Mol(mol), config=config, add_hs=False)
        elements = [atom.GetSymbol() for atom in ensemble.mol.GetAtoms()]
        bonds = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in ensemble.mol.GetBonds()]
        found = [ensemble.mol.GetConformer(k).GetPositions() for k in ensemble.conf_ids]
        return placed(mol, range(mol.GetNumAtoms()), elements, bonds, found)

    return f"openconf {version('openconf')}, preset {preset}, seed {seed}", make


def written(mol: Chem.Mol) -> tuple[str, list[int]]:
    """SMILES with stereochemistry, and which atom each of its atoms is; hydrogens are atoms of mol, so are written."""
    smiles = Chem.MolToSmiles(mol, canonical=False)
    return smiles, list(mol.GetPropsAsDict(includePrivate=True, includeComputed=True)["_smilesAtomOutputOrder"])


def placed(
    mol: Chem.Mol,
    order: Iterable[int],
    elements: Sequence[str],
    bonds: Iterable[tuple[int, int]],
    theirs: Sequence[Any],
) -> np.ndarray:
    """Positions (P, N, 3) in the atom order of mol; atom k of `theirs`, with their elements and bonds, is order[k].

    Raises ValueError if the two are not the same graph.
    """
    order = list(order)
    ours = {frozenset((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())) for bond in mol.GetBonds()}
    same = list(elements) == [mol.GetAtomWithIdx(i).GetSymbol() for i in order]
    if not same or ours != {frozenset((order[begin], order[end])) for begin, end in bonds}:
        raise ValueError("the program changed the order of the atoms")
    pos = np.empty((len(theirs), mol.GetNumAtoms(), 3))
    pos[:, order] = np.asarray(theirs, dtype=float).reshape(len(theirs), len(order), 3)
    return pos
