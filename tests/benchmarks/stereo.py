"""How often conformers have the stereochemistry asked for, judged by RDKit's perception and not by confgen's own check.

    python tests/benchmarks/stereo.py --molecules 1000 --conformers 10 --json stereo.jsonl validation.parquet ...

Molecules: a built-in list of hard ones and those of the ensemble files given. Every one loses its stereochemistry and
becomes a random one of its stereoisomers; as many are taken of each number of stereo elements, 1 to 12, as there are.
Judgement: conformers are put on the bare molecule, RDKit reads its stereochemistry off their coordinates, hydrogens
included, and the isomeric SMILES must be the one asked for. With --json a run that was stopped goes on where it was.
CPU time: about as long as `confgen generate` takes, and as long again for molecules whose first attempt has a failure.
"""

from __future__ import annotations

import dataclasses
import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

os.environ["OMP_NUM_THREADS"] = "1"  # before the libraries that read it when they are loaded

import jsonl
import pyarrow.parquet as pq
import typer
from command import Weights, errors_told, markdown
from provenance import command_line, commit, processor
from rdkit import Chem, rdBase
from tqdm import tqdm

from confgen.conformers import with_positions
from confgen.drafts import Drafts, repair, sample_wrong
from confgen.errors import MoleculeError
from confgen.generate import Generator, load
from confgen.isomers import enumerate_stereo
from confgen.molecule import from_smiles
from confgen.options import settings_for

MOST = 12  # stereo elements
COLUMNS = (
    "elements", "molecules", "conformers", "right in first attempt %", "by first", "turned", "again", "etkdg", "none",
    "wrong",
)  # fmt: skip
HARD = {
    "testosterone": "CC12CCC3C(CCC4=CC(=O)CCC34C)C1CCC2O",
    "cholic acid": "CC(CCC(=O)O)C1CCC2C1(CC(C3C2C(CC4C3(CCC(C4)O)C)O)O)C",
    "glucose": "OCC1OC(O)C(O)C(O)C1O",
    "sucrose": "OCC1OC(OC2(CO)OC(CO)C(O)C2O)C(O)C(O)C1O",
    "inositol": "OC1C(O)C(O)C(O)C(O)C1O",
    "aldol chain": "CC(O)C(C)C(O)C(C)C(O)C",
    "macrolide": "CCC1OC(=O)C(C)C(O)C(C)C(O)C(C)CC(C)C(=O)C=CC1C",
    "tetrapeptide": "CC(N)C(=O)NC(CO)C(=O)NC(C(C)C)C(=O)NC(Cc1ccccc1)C(=O)O",
    "cyclic tripeptide": "CC1NC(=O)C(CO)NC(=O)C(Cc2ccccc2)NC1=O",
    "oxime": "CC(=NO)C(C)O",
    "dioxime": "CC(=NO)C(C)=NO",
    "hydrazone": "CCC(C)=NNc1ccccc1",
    "triene": "CC=CC=CC=CCO",
    "skipped diene": "CCC=CCC=CCCO",
    "cyclooctene": "OC1CCCC=CCC1",
    "cyclododecatriene": "C1CC=CCCC=CCCC=C1",
    "dimethylcyclohexane": "CC1CCC(C)CC1",
    "cyclobutane": "OC1CC(F)C1",
    "decalin": "OC1CCC2CCCCC2C1",
    "camphor": "CC1(C)C2CCC1(C)C(=O)C2",
    "pinene": "CC1=CCC2CC1C2(C)C",
    "tropane": "CN1C2CCC1CC(OC(=O)C(CO)c1ccccc1)C2",
    "quinine": "COc1ccc2nccc(C(O)C3CC4CCN3CC4C=C)c2c1",
    "spiro": "CC1CCC2(C1)OCCC(C)O2",
    "penicillin": "CC1(C)SC2C(NC(=O)Cc3ccccc3)C(=O)N2C1C(=O)O",
    "sulfoxide": "CC(C)S(=O)Cc1ccccc1",
    "sulfoximine": "CC(O)CS(=O)(=NC)c1ccccc1",
    "phosphine oxide": "CCP(=O)(C)c1ccccc1",
    "phosphoramidate": "CC(NP(=O)(OC)Oc1ccccc1)C(=O)OC",
    "pseudo-asymmetric": "CC(O)C(O)C(O)C",
    "artemisinin": "CC1CCC2C(C)C(=O)OC3OC4(C)CCC1C23OO4",
}  # fmt: skip


@dataclass(frozen=True)
class Record:
    """What became of one molecule: `first_right` of `first` conformers of the first attempt, whatever else is wrong
    with them, and how the `asked` came about in the end, those `by_turning` from a conformer of the wrong isomer;
    `wrong` of those written are of another isomer."""

    name: str
    smiles: str
    elements: int
    start: str
    asked: int
    first: int = 0
    first_right: int = 0
    by_first: int = 0
    by_turning: int = 0
    by_again: int = 0
    by_etkdg: int = 0
    none: int = 0
    wrong: int = 0
    cpu_s: float = 0.0
    error: str = ""


def parents(files: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """Names and SMILES without stereochemistry, each molecule once."""
    rows = list(HARD.items())
    for file in files:
        table = pq.read_table(file, columns=["id", "smiles"]).to_pylist()
        rows += [(row["id"], row["smiles"]) for row in table]
    seen: set[str] = set()
    for name, text in rows:
        mol = Chem.MolFromSmiles(text)
        Chem.RemoveStereochemistry(mol)
        flat = Chem.MolToSmiles(mol)
        if flat not in seen:
            seen.add(flat)
            yield name, flat


def count_elements(smiles: str) -> int:
    """Specified centres and double bonds, as RDKit counts them."""
    mol = Chem.MolFromSmiles(smiles)
    centres = sum(atom.GetChiralTag() != Chem.ChiralType.CHI_UNSPECIFIED for atom in mol.GetAtoms())
    return centres + sum(bond.GetStereo() > Chem.BondStereo.STEREOANY for bond in mol.GetBonds())


def chosen(files: Iterable[Path], number: int, seed: int) -> list[tuple[str, str, int]]:
    """Name, isomeric SMILES and number of stereo elements of `number` molecules, spread over the numbers of elements.

    A parent gives one isomer on the first round, another on the next, while there are too few molecules.
    """
    draw = random.Random(seed)
    pools: dict[int, list[tuple[str, str, int]]] = defaultdict(list)
    for name, flat in parents(files):
        isomers = [Chem.MolToSmiles(Chem.RemoveHs(isomer)) for isomer in enumerate_stereo(from_smiles(flat), cap=8)]
        draw.shuffle(isomers)
        elements = count_elements(isomers[0])
        if 1 <= elements <= MOST:
            pools[elements] += [(name, smiles, turn) for turn, smiles in enumerate(isomers)]
    for pool in pools.values():
        draw.shuffle(pool)
        pool.sort(key=lambda entry: entry[2])  # stable: first isomers of all parents, then second ones
    found: list[tuple[str, str, int]] = []
    while len(found) < number and any(pools.values()):
        for elements in sorted(pools):
            if pools[elements] and len(found) < number:
                name, smiles, _ = pools[elements].pop(0)
                found.append((name, smiles, elements))
    return found


def shown(mol: Chem.Mol, conf_id: int) -> str:
    """Isomeric SMILES of what a conformer's coordinates show, as RDKit reads them, of the elements asked for."""
    copy = Chem.Mol(mol, confId=conf_id)
    asked = {atom.GetIdx() for atom in copy.GetAtoms() if atom.GetChiralTag() != Chem.ChiralType.CHI_UNSPECIFIED}
    bonds = {bond.GetIdx() for bond in copy.GetBonds() if bond.GetStereo() > Chem.BondStereo.STEREOANY}
    Chem.RemoveStereochemistry(copy)
    Chem.AssignStereochemistryFrom3D(copy)
    for atom in copy.GetAtoms():  # what swaps by itself (amines, NH imines, acids of P) is not asked for
        if atom.GetIdx() not in asked:
            atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    for bond in copy.GetBonds():
        bond.SetBondDir(Chem.BondDir.NONE)
        if bond.GetIdx() not in bonds:
            bond.SetStereo(Chem.BondStereo.STEREONONE)
    Chem.SetDoubleBondNeighborDirections(copy)
    return flat_smiles(copy)


def flat_smiles(mol: Chem.Mol) -> str:
    """Canonical isomeric SMILES without hydrogens, read twice, so that it depends on the isomer alone."""
    return str(Chem.CanonSmiles(Chem.MolToSmiles(Chem.RemoveHs(mol))))


def right(mol: Chem.Mol) -> int:
    """How many conformers are the isomer asked for."""
    asked = flat_smiles(Chem.Mol(mol))
    return sum(shown(mol, conformer.GetId()) == asked for conformer in mol.GetConformers())


def drafts_of(mol: Chem.Mol, count: int, generator: Generator) -> Drafts:
    """Conformers made as `confgen generate` makes them, with an account of how."""
    made = Drafts.blank(mol, count)
    for attempt in range(generator.settings.attempts + 1):
        sample_wrong(made, [mol], generator.weights, generator.settings, attempt, None)
    repair(made, [mol], generator.settings, None)
    return made


def judged(blank: Record, generator: Generator) -> Record:
    """The record of one molecule: a first attempt kept as it is, and the whole way if something was wrong with it."""
    began = time.process_time()
    try:
        mol = from_smiles(blank.smiles, blank.name)
        first = next(generator.generate_many([mol], num_confs=blank.asked, attempts=0, keep_invalid=True))
        if first.error is not None:
            raise first.error
        passed = sum(not names for names in first.checks)
        made = drafts_of(mol, blank.asked, generator) if passed < blank.asked else None
        kept = blank.asked if made is None else blank.asked - len(made.wrong())
        turned = 0 if made is None else len(made.turned.difference(made.wrong()))
        etkdg = 0 if made is None else made.sources.count("etkdg")
        final = first.mol if made is None else with_positions(mol, made.pos[[not names for names in made.failed]])
        return dataclasses.replace(
            blank,
            first=len(first.checks),
            first_right=right(first.mol),
            by_first=passed,
            by_turning=turned,
            by_again=kept - etkdg - turned - passed,
            by_etkdg=etkdg,
            none=blank.asked - kept,
            wrong=kept - right(final),
            cpu_s=time.process_time() - began,
        )
    except MoleculeError as error:
        return dataclasses.replace(blank, none=blank.asked, cpu_s=time.process_time() - began, error=str(error))


def table(records: list[Record]) -> str:
    """Markdown: a row for each number of stereo elements, and one for all."""
    rows = []
    for elements in [*sorted({record.elements for record in records}), None]:
        own = [record for record in records if elements in (record.elements, None)]
        total: Counter[str] = Counter()
        for record in own:
            total.update({key: value for key, value in dataclasses.asdict(record).items() if isinstance(value, int)})
        share = 100 * total["first_right"] / max(1, total["first"])
        names = ("by_first", "by_turning", "by_again", "by_etkdg", "none", "wrong")
        rows.append(
            [
                str(elements or "all"),
                str(len(own)),
                str(total["asked"]),
                f"{share:.1f}",
                *[str(total[name]) for name in names],
            ]
        )
    return "\n".join(markdown(COLUMNS, rows))


def main(
    files: Annotated[list[Path] | None, typer.Argument(help="Ensemble files (Parquet).", exists=True)] = None,
    molecules: Annotated[int, typer.Option(min=1)] = 60,
    conformers: Annotated[int, typer.Option(min=1)] = 5,
    start: Annotated[str | None, typer.Option(help="Of confgen generate; default: what the weights say.")] = None,
    preset: Annotated[str | None, typer.Option(help="Of confgen generate; fast takes a third of the time.")] = None,
    weights: Weights = "drugs",
    seed: Annotated[int, typer.Option(min=1, help="Of the choice of molecules.")] = 1,
    device: Annotated[str, typer.Option()] = "cpu",
    log: Annotated[Path | None, typer.Option("--json", help="One line per molecule; a run goes on from it.")] = None,
) -> None:
    """Print how many conformers are of the isomer asked for, by number of stereo elements and by how they were made."""
    with errors_told():
        loaded = load(weights, device)
        options = {"rms": 0.0} if start is None else {"rms": 0.0, "start": start}  # every conformer counts
        settings = settings_for(loaded.weights.sampling, preset, options)
    generator = Generator(loaded.weights, settings)
    done = {(record.smiles, record.start, record.asked): record for record in jsonl.read(log, Record)}
    records = []
    with jsonl.opened(log) as out, rdBase.BlockLogs():
        for name, smiles, elements in tqdm(chosen(files or [], molecules, seed), unit="mol", disable=None):
            key = (smiles, settings.start.start, conformers)
            record = done.get(key) or judged(Record(name, smiles, elements, key[1], conformers), generator)
            if key not in done:
                jsonl.add(out, record)
            records.append(record)
    typer.echo(table(records))
    typer.echo("\n" + "\n".join(f"- {r.name}, {r.smiles}: {r.wrong} wrong" for r in records if r.wrong))
    typer.echo("\n".join(f"- {r.name}, {r.smiles}: {r.error}" for r in records if r.error))
    cpu_s = sum(record.cpu_s for record in records)
    typer.echo(f"{cpu_s:.0f} CPU s, start {settings.start.start}, commit {commit()}, one core of {processor()}")
    typer.echo(f"\n    {command_line()}")


if __name__ == "__main__":
    typer.run(main)
