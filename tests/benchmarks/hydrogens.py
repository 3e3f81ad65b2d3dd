"""How near completed hydrogens come to those of reference geometries, whose heavy atoms they are completed on.

    python tests/benchmarks/hydrogens.py openff_val.parquet --molecules 50

By kind of hydrogen: root mean square distance to the reference's, hydrogens of one atom paired as well as can be; of
polar ones the share within 30 degrees of the reference's direction; the share of the reference's intramolecular
hydrogen bonds (H..A below 2.3 angstrom, angle above 120 degrees, four bonds or more apart) that are made.
Methods: `confgen.hydrogens.complete`, RDKit's AddHs(addCoords=True), and the latter relaxed with MMFF94s, heavy atoms
fixed. The references' torsions of free OH and NH differ in energy by little, so no method can reach 100.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from command import markdown
from provenance import command_line, commit, processor
from quality import Task, references
from rdkit import Chem, rdBase
from rdkit.Chem import Mol, rdForceFieldHelpers
from scipy.optimize import linear_sum_assignment

from confgen.conformers import is_token, positions, with_positions
from confgen.hydrogens import complete

# The first that matches the atom on which a hydrogen sits names its kind.
KINDS = {
    "COOH": "[OX2H1]C=O",
    "phenol, enol OH": "[OX2H1][c,$(C=C)]",
    "N-OH": "[OX2H1]N",
    "OH": "[OX2H1]",
    "SH": "[SX2H1]",
    "imine NH": "[NX2H1]=*",
    "amidine, guanidine": "[#7;!H0;$(*C=[#7]),$(*C(=[#7+]))]",
    "sulfonamide NH2": "[NX3H2]S(=O)=O",
    "sulfonamide NH": "[NX3H1]S(=O)=O",
    "amide NH2": "[NX3H2]C=[O,S]",
    "amide NH": "[NX3H1]C=[O,S]",
    "aromatic NH": "[nH]",
    "aniline NH2": "[NX3H2]c",
    "aniline NH": "[NX3H1]c",
    "NH3+, NH2+, NH+": "[#7+;!H0]",
    "NH2": "[NX3H2]",
    "NH": "[#7;!H0]",
    "CH3": "[CX4H3]",
    "CH2": "[CX4H2]",
    "CH": "[CX4H1]",
    "aromatic CH": "[cH]",
    "=CH": "[CX3;!H0]",
}
POLAR = (7, 8, 16)
WITHIN_DEG, BOND_LENGTH, BOND_ANGLE_DEG = 30.0, 2.3, 120.0


def added(mol: Mol, token_pos: np.ndarray) -> np.ndarray:
    """Positions (K, N, 3) with hydrogens by RDKit's AddHs, in the order of `mol`."""
    tokens = np.flatnonzero(is_token(mol))
    bare = Chem.RWMol(mol)
    bare.BeginBatchEdit()
    for atom in mol.GetAtoms():
        if atom.GetAtomicNum() == 1:
            bare.RemoveAtom(atom.GetIdx())
            owner = bare.GetAtomWithIdx(atom.GetNeighbors()[0].GetIdx())
            owner.SetNumExplicitHs(owner.GetNumExplicitHs() + 1)
    bare.CommitBatchEdit()
    Chem.SanitizeMol(bare)
    whole = positions(Chem.AddHs(with_positions(bare.GetMol(), token_pos), addCoords=True))
    pos = np.zeros((len(token_pos), mol.GetNumAtoms(), 3))
    pos[:, tokens] = token_pos
    new = len(tokens)
    for heavy in tokens:  # AddHs adds the hydrogens of one atom together, atoms in order
        for hydrogen in hydrogens_of(mol, int(heavy)):
            pos[:, hydrogen] = whole[:, new]
            new += 1
    return pos


def relaxed(mol: Mol, token_pos: np.ndarray) -> np.ndarray:
    """`added`, then MMFF94s with the heavy atoms fixed."""
    made = with_positions(mol, added(mol, token_pos))
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(Chem.Mol(mol), mmffVariant="MMFF94s")
    if properties is None:
        return positions(made)
    for conformer in made.GetConformers():
        field = rdForceFieldHelpers.MMFFGetMoleculeForceField(made, properties, confId=conformer.GetId())
        for heavy in np.flatnonzero(is_token(mol)):
            field.AddFixedPoint(int(heavy))
        field.Initialize()
        field.Minimize(maxIts=1000)
    return positions(made)


METHODS: dict[str, Callable[[Mol, np.ndarray], np.ndarray]] = {
    "confgen": lambda mol, token_pos: positions(complete(mol, token_pos)),
    "AddHs": added,
    "AddHs + MMFF94s": relaxed,
}


def hydrogens_of(mol: Mol, atom: int) -> list[int]:
    return [n.GetIdx() for n in mol.GetAtomWithIdx(atom).GetNeighbors() if n.GetAtomicNum() == 1]


def kinds_of(mol: Mol) -> dict[int, str]:
    """The kind of the hydrogens of every atom that has some."""
    found: dict[int, str] = {}
    for name, pattern in KINDS.items():
        for match in mol.GetSubstructMatches(Chem.MolFromSmarts(pattern), maxMatches=10000):
            if hydrogens_of(mol, match[0]):
                found.setdefault(match[0], name)
    return found


def paired(made: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of hydrogens (h, 3) of one atom, paired so that the squares of the distances add up to the least."""
    squares = ((made[:, None] - reference[None]) ** 2).sum(-1)
    rows, columns = linear_sum_assignment(squares)
    return made[rows], reference[columns]


def hydrogen_bonds(mol: Mol, pos: np.ndarray) -> set[tuple[int, int]]:
    """Donor and acceptor of each intramolecular hydrogen bond of positions (N, 3)."""
    hops = Chem.GetDistanceMatrix(mol)
    acceptors = [
        atom.GetIdx()
        for atom in mol.GetAtoms()
        if atom.GetAtomicNum() in (7, 8) and atom.GetFormalCharge() <= 0 and not _pair_is_shared(atom)
    ]
    bonds = set()
    for atom in mol.GetAtoms():
        if atom.GetAtomicNum() not in POLAR:
            continue
        for hydrogen in hydrogens_of(mol, atom.GetIdx()):
            for acceptor in acceptors:
                to, back = pos[acceptor] - pos[hydrogen], pos[atom.GetIdx()] - pos[hydrogen]
                distance = float(np.linalg.norm(to))
                cosine = float(to @ back) / (distance * float(np.linalg.norm(back)) + 1e-9)
                wide = cosine < np.cos(np.radians(BOND_ANGLE_DEG))
                if hops[hydrogen, acceptor] >= 4 and distance < BOND_LENGTH and wide:
                    bonds.add((atom.GetIdx(), acceptor))
    return bonds


def _pair_is_shared(atom: Chem.Atom) -> bool:
    """Whether it is a nitrogen whose lone pair is conjugated away (amide, aniline, pyrrole)."""
    return atom.GetAtomicNum() == 7 and atom.GetTotalDegree() == 3 and any(b.GetIsConjugated() for b in atom.GetBonds())


class Tally:
    """Sums over all hydrogens of one method."""

    def __init__(self) -> None:
        self.squares: dict[str, list[float]] = defaultdict(list)
        self.near: dict[str, list[bool]] = defaultdict(list)
        self.bonds = self.kept = self.extra = 0
        self.cpu_s = 0.0

    def add(self, mol: Mol, made: np.ndarray, reference: np.ndarray) -> None:
        """made, reference: (N, 3)."""
        for atom, kind in kinds_of(mol).items():
            hydrogens = hydrogens_of(mol, atom)
            one, other = paired(made[hydrogens], reference[hydrogens])
            self.squares[kind] += ((one - other) ** 2).sum(-1).tolist()
            if mol.GetAtomWithIdx(atom).GetAtomicNum() in POLAR:
                arms = [side - reference[atom] for side in (one, other)]
                a, b = (arm / np.linalg.norm(arm, axis=1, keepdims=True) for arm in arms)
                self.near[kind] += ((a * b).sum(-1) > np.cos(np.radians(WITHIN_DEG))).tolist()
        there, here = hydrogen_bonds(mol, reference), hydrogen_bonds(mol, made)
        self.bonds, self.kept, self.extra = (
            self.bonds + len(there), self.kept + len(there & here), self.extra + len(here - there)
        )  # fmt: skip


def table(tallies: dict[str, Tally]) -> str:
    """Markdown: for each kind its number, and of every method the RMSD and, if it is polar, the share within 30 deg."""
    first = next(iter(tallies.values()))
    columns = ["kind", "hydrogens", *(cell for name in tallies for cell in (f"{name}, A", "within 30 deg %"))]
    rows = []
    for kind in [*KINDS, "all polar", "all"]:
        chosen = [k for k in first.squares if kind in (k, "all") or (kind == "all polar" and k in first.near)]
        if not chosen:
            continue
        cells = []
        for tally in tallies.values():
            squares = [square for k in chosen for square in tally.squares[k]]
            near = [flag for k in chosen for flag in tally.near.get(k, [])]
            cells += [f"{np.sqrt(np.mean(squares)):.3f}", f"{100 * np.mean(near):.0f}" if near else ""]
        rows.append([kind, str(sum(len(first.squares[k]) for k in chosen)), *cells])
    lines = markdown(columns, rows)
    for name, tally in tallies.items():
        share = 100 * tally.kept / max(1, tally.bonds)
        kept = f"{tally.kept} of {tally.bonds} hydrogen bonds ({share:.0f}%)"
        lines.append(f"\n{name}: {kept}, {tally.extra} that the reference does not have, {tally.cpu_s:.1f} CPU s")
    return "\n".join(lines)


def main(
    file: Annotated[Path, typer.Argument(help="Ensemble file (Parquet).", exists=True, dir_okay=False)],
    molecules: Annotated[int, typer.Option(min=1)] = 50,
    conformers: Annotated[int, typer.Option(min=1, help="Of each molecule, at most.")] = 5,
    containing: Annotated[str, typer.Option(help="SMARTS that a molecule must match.")] = "*",
) -> None:
    """Print how near completed hydrogens come to the reference's, by kind."""
    tallies = {name: Tally() for name in METHODS}
    wanted, done = Chem.MolFromSmarts(containing), 0
    with rdBase.BlockLogs():
        for _, reference in references(Task(file, 10**6, 1, conformers)):
            if done == molecules:
                break
            if not reference.HasSubstructMatch(wanted):
                continue
            done += 1
            pos = positions(reference)
            for name, method in METHODS.items():
                began = time.process_time()
                made = method(reference, pos[:, is_token(reference)])
                tallies[name].cpu_s += time.process_time() - began
                for one, other in zip(made, pos, strict=True):
                    tallies[name].add(reference, one, other)
    typer.echo(table(tallies))
    typer.echo(f"\n{done} molecules, commit {commit()}, one core of {processor()}\n\n    {command_line()}")


if __name__ == "__main__":
    typer.run(main)
