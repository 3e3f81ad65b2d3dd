"""One molecule, from text to an RDKit `Mol` that the rest of confgen can work on.

Such a `Mol` is sanitised and has every hydrogen as an atom. Input atoms keep their order and added hydrogens come
last. `_Name` holds the title, `_confgen_origin` where it came from (`mols.smi:7`), SD tags stay properties (see
`tags`), and it has conformers only if the input had 3D coordinates. Whatever cannot become one raises
`MoleculeError`, in one line. Messages count atoms from 1, in input order.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from rdkit import Chem
from rdkit.Chem import Mol

from confgen.complaints import block_reason, captured, quiet, reason_in, short, smiles_reason
from confgen.conformers import origin_of, title_of, where_of
from confgen.errors import MoleculeError
from confgen.mol2 import read_mol2, unsaturated
from confgen.stereo import HANDED
from confgen.stereo_tags import as_drawn, as_written, restore_overlooked, stereo_from_3d
from confgen.tags import sd_tags, set_tags

MAX_HEAVY_ATOMS = 1000  # all pairs of atoms are held in memory; beyond this it is a polymer or a protein
FIX = "correct it or leave it out"

# SD group types that stand for a repeat or a mixture, so for no single structure (CTfile formats, "Sgroup type").
POLYMER_GROUPS = {"SRU", "MON", "MER", "COP", "CRO", "MOD", "GRA", "ANY", "COM", "MIX", "FOR"}

_SMILES = Chem.SmilesParserParams()
# Kept, or written hydrogens would lose their place in the atom order. (RDKit's stubs have the wrong type.)
_SMILES.removeHs = False  # type: ignore[assignment]
_DUMMY = Chem.MolFromSmarts("[#0]")


def from_smiles(smiles: str, name: str = "", origin: str = "", add_hydrogens: bool = True) -> Mol:
    """The molecule of a SMILES, which may carry a CXSMILES extension and a name; `name` wins over the latter.

    add_hydrogens: or only those written are atoms of it, for positions that come in the order of the SMILES.
    Raises: MoleculeError if it cannot be read, or is none that can have a shape (see `prepare`).
    """
    where = where_of(origin, "" if name == smiles else name)
    text = smiles.strip()
    if not text:
        raise MoleculeError(f"{where}: the SMILES is empty; {FIX}")
    mol, log = _parse(lambda smiles: Chem.MolFromSmiles(smiles, _SMILES), text)
    if mol is None:
        raise MoleculeError(f'{where}: {smiles_reason(text, log)} in "{short(text)}"; {FIX}')
    if any(mark in text for mark in "@/\\"):
        restore_overlooked(mol, as_written(text))
    mol.RemoveAllConformers()  # CXSMILES coordinates are a drawing
    return _complete(mol, name or title_of(mol), origin, where, add_hydrogens)


def from_molblock(block: str, name: str = "", origin: str = "", add_hydrogens: bool = True) -> Mol:
    """The molecule of a MOL block or SDF record (V2000 or V3000), its title and tags with it; `name` wins.

    Stereochemistry is taken from the coordinates of a 3D record, else from the wedges of the drawing. 3D coordinates
    stay as conformer 0, those of a drawing are dropped.
    add_hydrogens: or those that the record leaves out stay left out.
    Raises: MoleculeError if it cannot be read, or is none that can have a shape (see `prepare`).
    """
    where = where_of(origin, name or block.partition("\n")[0].strip())
    mol, log = _parse(lambda block: Chem.MolFromMolBlock(block, removeHs=False), block)
    if mol is None:
        raise MoleculeError(f"{where}: {block_reason(block, log)}; {FIX}")
    if _flat_drawing_marked_3d(mol):  # its wedges were ignored; read it again as the drawing it is
        title, program, rest = block.split("\n", 2)
        block = "\n".join((title, f"{program[:20]}2D{program[22:]}", rest))
        mol = Chem.MolFromMolBlock(block, removeHs=False)
    if mol.GetNumConformers() and not mol.GetConformer().Is3D():
        restore_overlooked(mol, as_drawn(block))
    mol = _from_record(mol, name, origin, where, add_hydrogens)
    set_tags(mol, sd_tags(block))
    return mol


def from_mol2block(block: str, name: str = "", origin: str = "") -> Mol:
    """The molecule of one Tripos MOL2 record, which has 3D coordinates; otherwise as `from_molblock`."""
    lines = block.split("\n", 2)
    where = where_of(origin, name or (lines[1].strip() if len(lines) > 2 else ""))
    mol, log = _parse(read_mol2, block)
    if mol is None:
        fault = reason_in(log).replace("as in [nH]?", "or a charge?")
        reason = fault or "the MOL2 record is damaged, cut short or without coordinates"
        raise MoleculeError(f"{where}: {reason}; {FIX}")
    if (bare := unsaturated(mol)) is not None:
        which = f"atom {bare.GetIdx() + 1} ({bare.GetSymbol()}) is charged or lacks hydrogens"
        raise MoleculeError(f"{where}: {which}, which this MOL2 does not say; give it as SDF, or with all hydrogens")
    return _from_record(mol, name, origin, where)


def read_molecule(text: str) -> Mol:
    """The molecule of a SMILES or of a MOL block, whichever `text` is.

    Raises: MoleculeError if it cannot be read, or is none that can have a shape (see `prepare`).
    """
    given: object = text
    if not isinstance(given, str):
        kind = type(given).__name__
        raise MoleculeError(
            f"molecule: is of type {kind}, not text; give a SMILES or a MOL block (files: read_records)"
        )
    is_block = len(text.splitlines()) > 3 and any(mark in text for mark in ("V2000", "V3000", "M  END"))
    return from_molblock(text.split("\n$$$$")[0]) if is_block else from_smiles(text)


def prepare(mol: Mol, name: str = "", origin: str = "") -> Mol:
    """A sanitised copy of an RDKit molecule with hydrogens, name and origin; 3D conformers stay, drawings do not.

    Raises: MoleculeError if it has no atoms, a dummy, R-group or query, repeats as a polymer does, has more than
            MAX_HEAVY_ATOMS heavy atoms, or breaks the rules of valence.
    """
    mol, raw = Chem.Mol(mol), Chem.Mol(mol)
    where = where_of(origin, name or title_of(mol))
    _refuse(mol, where)
    with quiet():
        try:
            Chem.SanitizeMol(mol)
        except (RuntimeError, ValueError) as error:
            raise MoleculeError(f"{where}: {reason_in(str(error))}; {FIX}") from None
    Chem.AssignStereochemistry(mol, cleanIt=True)
    restore_overlooked(mol, raw)
    for conformer in list(mol.GetConformers()):
        if not conformer.Is3D():
            mol.RemoveConformer(conformer.GetId())
    return _complete(mol, name or title_of(mol), origin, where)


def prepared(mol: object, where: str) -> Mol:
    """What `prepare` makes of a molecule, whoever made that; `where` is its origin if it names none itself.

    Raises: MoleculeError as `prepare` does, and for what is no molecule; `where` says which one that is.
    """
    if mol is None:
        raise MoleculeError(f"{where}: is None, which is what RDKit gives for a SMILES that it cannot read; {FIX}")
    if not isinstance(mol, Mol):
        kind = type(mol).__name__
        raise MoleculeError(f"{where}: is of type {kind}, not an RDKit molecule; make one with confgen.read_molecule")
    return prepare(mol, origin=origin_of(mol) if mol.HasProp("_confgen_origin") else where)


def _parse(read: Callable[[str], Mol | None], text: str) -> tuple[Mol | None, str]:
    """What RDKit reads from `text`, if it can, and what it complained of, which is kept off stderr."""
    with quiet(), captured() as log:
        try:
            return read(text), log.messages
        except UnicodeEncodeError:
            return None, "text that is not Unicode"
        except (RuntimeError, ValueError) as error:
            return None, f"{error}\n{log.messages}"


def _from_record(mol: Mol, name: str, origin: str, where: str, add_hydrogens: bool = True) -> Mol:
    if mol.GetNumConformers() and mol.GetConformer().Is3D() and not _coincident(mol):
        stereo_from_3d(mol)
        _forget_other_shapes(mol)
    else:
        mol.RemoveAllConformers()
    return _complete(mol, name or title_of(mol), origin, where, add_hydrogens)


def _forget_other_shapes(mol: Mol) -> None:
    """Clears, in place, tags such as trigonal-bipyramidal of tetrahedral P and S, which poor coordinates look like."""
    for atom in mol.GetAtoms():
        tetrahedral = atom.GetAtomicNum() in (15, 16) and atom.GetDegree() == 4 and atom.GetTotalValence() > 4
        if tetrahedral and atom.GetChiralTag() not in HANDED:
            atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)


def _complete(mol: Mol, name: str, origin: str, where: str, add_hydrogens: bool = True) -> Mol:
    """The sanitised molecule with hydrogens, name and origin, or the reason why it cannot have a shape."""
    _refuse(mol, where)
    if add_hydrogens:
        mol = Chem.AddHs(mol, addCoords=mol.GetNumConformers() > 0)
    mol.SetProp("_Name", name)
    mol.SetProp("_confgen_origin", origin.encode(errors="replace").decode())  # names of files may be anything
    return mol


def _refuse(mol: Mol, where: str) -> None:
    if mol.GetNumAtoms() == 0:
        raise MoleculeError(f"{where}: there are no atoms in it; {FIX}")
    if mol.GetNumHeavyAtoms() > MAX_HEAVY_ATOMS:
        size = f"{mol.GetNumHeavyAtoms()} heavy atoms, more than the {MAX_HEAVY_ATOMS} that can be handled"
        raise MoleculeError(f"{where}: it has {size}; leave it out")
    if mol.HasQuery() or mol.HasSubstructMatch(_DUMMY):  # quick; the slow walk below is for those that fail
        raise MoleculeError(f"{where}: {_query(mol)}; put something real in its place or leave the molecule out")
    for group in Chem.GetMolSubstanceGroups(mol):
        if group.GetProp("TYPE") in POLYMER_GROUPS:
            raise MoleculeError(f"{where}: it is a polymer or a mixture; draw one structure or leave it out")


def _query(mol: Mol) -> str:
    for atom in mol.GetAtoms():
        if atom.GetAtomicNum() == 0 or atom.HasQuery():
            return f"atom {atom.GetIdx() + 1} is a dummy, an R group or a query"
    bond = next(bond for bond in mol.GetBonds() if bond.HasQuery())
    return f"the bond of atoms {bond.GetBeginAtomIdx() + 1} and {bond.GetEndAtomIdx() + 1} is a query"


def _coincident(mol: Mol) -> bool:
    return mol.GetNumAtoms() > 1 and bool(np.ptp(mol.GetConformer().GetPositions(), axis=0).max() < 0.1)  # angstrom


def _flat_drawing_marked_3d(mol: Mol) -> bool:
    """Whether a "3D" record is a drawing: all z are 0 and hydrogens are left out, as in no real planar geometry."""
    if not mol.GetNumConformers() or not mol.GetConformer().Is3D():
        return False
    implicit_hydrogens = any(atom.GetTotalNumHs() for atom in mol.GetAtoms())
    return implicit_hydrogens and not mol.GetConformer().GetPositions()[:, 2].any()
