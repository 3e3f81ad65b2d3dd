"""Text becomes a molecule with all hydrogens, or one line that says why not."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from blocks import ETHANOL_2D, methanol_mol2
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from confgen.complaints import quiet
from confgen.conformers import fragments, is_token, label, positions
from confgen.errors import MoleculeError
from confgen.molecule import MAX_HEAVY_ATOMS, from_molblock, from_smiles, prepare, prepared, read_molecule

METHANOL_MOL2 = methanol_mol2("wood spirit")


def block_3d(smiles: str, keep_hydrogens: bool = True) -> str:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert rdDistGeom.EmbedMolecule(mol, randomSeed=7) == 0
    return Chem.MolToMolBlock(mol if keep_hydrogens else Chem.RemoveHs(mol))


def canonical(mol: Chem.Mol) -> str:
    return Chem.MolToSmiles(Chem.RemoveHs(mol))


def symbols(mol: Chem.Mol) -> str:
    return "".join(atom.GetSymbol() for atom in mol.GetAtoms())


# What comes out


def test_hydrogens_are_atoms_and_come_last():
    assert symbols(from_smiles("OCC")) == "OCC" + "H" * 6


def test_written_hydrogens_keep_their_place():
    assert symbols(from_smiles("[H]OC")) == "HOC" + "H" * 3


def test_name_and_origin_are_kept_and_labelled():
    assert label(from_smiles("CCO", "spirit of wine", "mols.smi:7")) == "mols.smi:7 'spirit of wine'"


def test_label_without_a_name_is_the_origin():
    assert label(from_smiles("CCO", origin="argument 1")) == "argument 1"


def test_name_may_stand_after_the_smiles():
    assert from_smiles("CCO spirit of wine").GetProp("_Name") == "spirit of wine"


def test_smiles_gives_no_conformers_even_with_drawn_coordinates():
    assert from_smiles("CC |(0,0,;1.5,0,)|").GetNumConformers() == 0


def test_cxsmiles_stereo_groups_are_kept():
    assert len(from_smiles("C[C@H](F)Cl |&1:1|").GetStereoGroups()) == 1


def test_isotopes_are_kept():
    assert [atom.GetIsotope() for atom in from_smiles("[2H]C[13CH3]").GetAtoms()][:3] == [2, 0, 13]


@pytest.mark.parametrize("smiles", ["[CH3]", "N->[Pt](Cl)Cl", "[Na+].[Cl-]", "[H+]", "[Og]", "[He]"])
def test_unusual_but_real_species_are_accepted(smiles):
    assert from_smiles(smiles).GetNumAtoms() > 0


# What is refused, and in which words


@pytest.mark.parametrize(
    ("smiles", "reason"),
    [
        ("CC(=O)Oc1ccccc", "ring 1 is not closed"),
        ("C%12CC[C@@H]1C", "ring 1, 12 is not closed"),
        ("CC(C", 'the "(" at character 3 is not closed'),
        ("C)C", 'the ")" at character 2 was not opened'),
        ("C[Xx]", 'character 3, "X", cannot be understood'),
        ("C(C)(C)(C)(C)C", "atom 1 (C) has valence 5, more than it can have"),
        ("c1cccc1", "aromatic atoms 1 2 3 4 5 cannot have alternating double bonds"),
        ("C12CC12", "ring closure 2 joins atoms 1 and 3, which are bonded already"),
        ("Ccc", "atom 2 is aromatic but in no ring"),
        ("[#119]", "an element beyond oganesson (118)"),
        ("CCO |bad", "the extension between the bars cannot be read"),
        ("C\udc80", "text that is not Unicode"),
    ],
)
def test_unreadable_smiles_is_refused_with_its_reason(smiles, reason):
    with pytest.raises(MoleculeError) as refused:
        from_smiles(smiles, "aspirin", "mols.smi:7")
    assert str(refused.value).startswith(f"mols.smi:7 'aspirin': {reason}")


@pytest.mark.parametrize(
    ("smiles", "reason"),
    [
        ("", "the SMILES is empty"),
        ("*C", "atom 1 is a dummy"),
        ("C[*:1]", "atom 2 is a dummy"),
        ("C~C", "the bond of atoms 1 and 2 is a query"),
        ("CC |Sg:n:0:1:ht|", "it is a polymer"),
        ("C" * (MAX_HEAVY_ATOMS + 1), f"it has {MAX_HEAVY_ATOMS + 1} heavy atoms"),
    ],
)
def test_what_has_no_single_shape_is_refused(smiles, reason):
    with pytest.raises(MoleculeError, match=reason):
        from_smiles(smiles)


@pytest.mark.parametrize("smiles", ["CC(", "", "C\x00\n\x1b[31mC", "C" * 3000, "C1" + "C" * 500])
def test_message_is_one_short_printable_line(smiles):
    with pytest.raises(MoleculeError) as refused:
        from_smiles(smiles, "line\nbreak", "mols.smi:7")
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 250


def test_name_that_is_the_smiles_is_not_said_twice():
    with pytest.raises(MoleculeError) as refused:
        from_smiles("C1CC", name="C1CC", origin="mols.smi:2")
    assert str(refused.value).count("C1CC") == 1


@pytest.mark.parametrize("text", ["CC(", "c1cccc1", "[#119]", ETHANOL_2D.replace(" O ", " Xx")])
def test_rdkit_does_not_chatter(text, capfd):
    with pytest.raises(MoleculeError):
        read_molecule(text)
    assert capfd.readouterr().err == ""


# MOL blocks


def test_3d_coordinates_become_the_conformer():
    mol = from_molblock(block_3d("CCO"))
    assert mol.GetNumAtoms() == 9
    assert mol.GetConformer().Is3D()


def test_missing_hydrogens_get_coordinates_too():
    pos = from_molblock(block_3d("CCO", keep_hydrogens=False)).GetConformer().GetPositions()
    distances = np.linalg.norm(pos[:, None] - pos, axis=-1) + 9 * np.eye(9)
    assert distances.min() > 0.8  # angstrom: none is left at the origin


def test_drawn_coordinates_are_dropped():
    assert from_molblock(ETHANOL_2D).GetNumConformers() == 0


@pytest.mark.parametrize("smiles", ["C[C@H](F)Cl", "C[C@@H](F)Cl", "C/C=C/C", "C/C=C\\C", "C[S@](=O)CC"])
def test_3d_record_has_the_stereo_of_its_coordinates(smiles):
    assert canonical(from_molblock(block_3d(smiles))) == canonical(Chem.MolFromSmiles(smiles))


@pytest.mark.parametrize("smiles", ["CC=CC", "CC(=N)NC"])
def test_bond_marked_either_takes_its_side_from_3d_unless_it_swaps(smiles):
    mol = from_molblock(block_3d(smiles))
    assert ("/" in canonical(mol)) == (smiles == "CC=CC")


def test_2d_record_has_the_stereo_of_its_wedges():
    drawn = Chem.MolToMolBlock(Chem.MolFromSmiles("C[C@H](F)Cl"))
    assert canonical(from_molblock(drawn)) == canonical(Chem.MolFromSmiles("C[C@H](F)Cl"))


def test_drawing_whose_header_says_3d_is_read_as_a_drawing():
    drawn = Chem.MolToMolBlock(Chem.MolFromSmiles("C[C@H](F)Cl")).replace("          2D", "          3D")
    mol = from_molblock(drawn)
    assert (canonical(mol), mol.GetNumConformers()) == (canonical(Chem.MolFromSmiles("C[C@H](F)Cl")), 0)


def test_flat_molecule_with_all_hydrogens_keeps_its_3d_coordinates():
    water = "water\n     test           3D\n\n  3  2  0  0  0  0  0  0  0  0999 V2000\n"
    for x, y, symbol in ((0.0, 0.0, "O"), (0.96, 0.0, "H"), (-0.24, 0.93, "H")):
        water += f"{x:10.4f}{y:10.4f}{0:10.4f} {symbol}   0  0\n"
    assert from_molblock(water + "  1  2  1  0\n  1  3  1  0\nM  END\n").GetNumConformers() == 1


def test_all_coordinates_zero_is_no_conformer():
    hydrogen = f"{0:10.4f}{0:10.4f}{0:10.4f} H   0  0\n"
    header = "x\n     test           3D\n\n  2  1  0  0  0  0  0  0  0  0999 V2000\n"
    mol = from_molblock(header + 2 * hydrogen + "  1  2  1  0\nM  END\n")
    assert mol.GetNumConformers() == 0


def test_v3000_blocks_are_read():
    assert canonical(from_molblock(Chem.MolToV3KMolBlock(Chem.MolFromSmiles("CCO")))) == "CCO"


def test_sd_tags_stay_with_the_molecule():
    tags = "> <IC50 (nM)>\n7.5\n\n>  25 <note> (1)\ntwo\nlines\n\n>  <empty>\n\n"
    mol = from_molblock(ETHANOL_2D + tags)
    assert [mol.GetProp(tag) for tag in ("IC50 (nM)", "note", "empty")] == ["7.5", "two\nlines", ""]


def test_title_of_the_block_is_the_name():
    assert from_molblock("spirit of wine" + ETHANOL_2D).GetProp("_Name") == "spirit of wine"


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        ("\n\n\n", "the record is empty"),
        (ETHANOL_2D[:200], "the record is cut short"),
        (ETHANOL_2D.replace(" O ", " Xx"), "'Xx' is no element"),
        (ETHANOL_2D.replace("1.2990", "   abc"), "cannot process coordinates"),
        (ETHANOL_2D.replace("  2  3  1", "  2  7  1"), "a bond names an atom that is not there"),
        (ETHANOL_2D.replace(" O ", " R#"), "atom 3 is a dummy"),
        (ETHANOL_2D.replace(" O ", " A "), "atom 3 is a dummy"),
        (ETHANOL_2D.replace("  2  3  1", "  2  3  8"), "the bond of atoms 2 and 3 is a query"),
    ],
)
def test_bad_block_is_refused_with_its_reason(block, reason):
    with pytest.raises(MoleculeError, match=f"lib.sdf record 3: {reason}"):
        from_molblock(block, origin="lib.sdf record 3")


# Tags


@pytest.mark.parametrize(
    ("tag", "kept"),
    [
        ("", "input_unnamed"),
        ("_Name", "input__Name"),
        ("_confgen_origin", "input__confgen_origin"),
        ("__computedProps", "input___computedProps"),
    ],
)
def test_a_tag_that_means_something_to_rdkit_is_renamed(tag, kept):
    mol = from_molblock(f"ethanol{ETHANOL_2D}>  <{tag}>\n7\n\n", origin="lib.sdf")
    assert (label(mol), mol.GetProp(kept)) == ("lib.sdf 'ethanol'", "7")


def test_a_tag_that_rdkit_computes_is_renamed():
    mol = from_molblock(Chem.MolToMolBlock(Chem.MolFromSmiles("c1ccccc1")) + ">  <numArom>\n7\n\n")
    assert mol.GetProp("input_numArom") == "7"


def test_tags_of_one_name_are_numbered():
    mol = from_molblock(ETHANOL_2D + ">  <mw>\n46\n\n>  <mw>\n47\n\n")
    assert (mol.GetProp("mw"), mol.GetProp("mw_2")) == ("46", "47")


# The Python API


@pytest.mark.parametrize("given", [Path("ligand.sdf"), None, b"CCO"])
def test_read_molecule_wants_text(given):
    with pytest.raises(MoleculeError, match="not text; give a SMILES or a MOL block"):
        read_molecule(given)


def test_read_molecule_takes_a_smiles_whose_name_is_that_of_a_format():
    assert read_molecule("CCO V2000 batch").GetProp("_Name") == "V2000 batch"


@pytest.mark.parametrize("text", ["CCO", ETHANOL_2D, ETHANOL_2D + "> <a>\n1\n\n$$$$\n"])
def test_read_molecule_takes_smiles_and_blocks(text):
    assert canonical(read_molecule(text)) == "CCO"


def test_prepare_leaves_the_given_molecule_alone():
    given = Chem.MolFromSmiles("CCO", sanitize=False)
    assert (prepare(given).GetNumAtoms(), given.GetNumAtoms()) == (9, 3)


def test_prepare_refuses_bad_valence():
    with pytest.raises(MoleculeError, match=r"atom 1 \(C\) has valence 5"):
        prepare(Chem.MolFromSmiles("C(C)(C)(C)(C)C", sanitize=False))


def test_prepare_keeps_3d_and_drops_drawn_conformers():
    drawn = Chem.MolFromMolBlock(ETHANOL_2D)
    solid = Chem.MolFromMolBlock(block_3d("CCO"), removeHs=False)
    assert (prepare(drawn).GetNumConformers(), prepare(solid).GetNumConformers()) == (0, 1)


def test_prepare_sees_the_stereo_of_an_unsanitised_smiles():
    assert canonical(prepare(Chem.MolFromSmiles("F/C=C/F", sanitize=False))) == "F/C=C/F"


def made_without_confgen(smiles: str) -> Chem.Mol:
    mol = Chem.MolFromSmiles(smiles, sanitize=False)
    mol.UpdatePropertyCache(strict=False)
    return mol


@pytest.mark.parametrize(
    ("smiles", "reason"),
    [
        ("[H]C([H])([H])([H])[H]", r"atom 2 \(C\) has valence 5"),
        ("*[H]", "atom 1 is a dummy"),
        (f"[{']['.join(['He'] * 1001)}]", "1001 heavy atoms"),
    ],
    ids=["valence", "dummy", "size"],
)
def test_a_molecule_with_all_hydrogens_is_checked_like_any_other(smiles, reason):
    with pytest.raises(MoleculeError, match=f"^molecule 3: .*{reason}"):
        prepared(made_without_confgen(smiles), "molecule 3")


def test_kekule_forms_are_perceived():
    mol = Chem.AddHs(Chem.MolFromSmiles("c1ccccc1C"))
    Chem.Kekulize(mol, clearAromaticFlags=True)
    assert sum(atom.GetIsAromatic() for atom in prepared(mol, "").GetAtoms()) == 6


@pytest.mark.parametrize("smiles", ["C[C@H](F)[C@@H](C)O", "F/C=C/F", "C/C=C1/CC[C@H](F)CC1", "F[P@TB1](Cl)(Br)(I)C"])
@pytest.mark.parametrize("kept", ["AllProps", "NoProps"])
def test_preparing_again_changes_no_stereochemistry(smiles, kept):
    mol = read_molecule(smiles)
    given = Chem.Mol(mol.ToBinary(int(getattr(Chem.PropertyPickleOptions, kept))))
    again = prepared(given, "")
    assert [atom.GetChiralTag() for atom in again.GetAtoms()] == [atom.GetChiralTag() for atom in mol.GetAtoms()]
    assert [bond.GetStereo() for bond in again.GetBonds()] == [bond.GetStereo() for bond in mol.GetBonds()]


def test_preparing_keeps_what_a_molecule_carries(embed_mol):
    mol = embed_mol(read_molecule("[13CH3:7][C@H](N)O"), 2)
    mol.SetProp("_private", "x")
    mol.SetIntProp("number", 4)
    again = prepared(mol, "")
    assert [a.GetSymbol() for a in again.GetAtoms()] == [a.GetSymbol() for a in mol.GetAtoms()]
    assert (again.GetAtomWithIdx(0).GetIsotope(), again.GetAtomWithIdx(0).GetAtomMapNum()) == (13, 7)
    assert (again.GetProp("_private"), again.GetIntProp("number")) == ("x", 4)
    np.testing.assert_array_equal(positions(again), positions(mol))


def test_preparing_leaves_no_mark_on_the_molecule_given():
    mol = Chem.AddHs(Chem.MolFromSmiles("C[C@H](N)O"))
    before = mol.ToBinary(int(Chem.PropertyPickleOptions.AllProps))
    prepared(mol, "")
    assert mol.ToBinary(int(Chem.PropertyPickleOptions.AllProps)) == before


@pytest.fixture
def hasty_threads():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty_threads")
def test_threads_do_not_mix_their_errors_nor_lose_the_log_of_rdkit(capfd):
    def reason(atom: int) -> str:
        with quiet():
            prepare(Chem.MolFromSmiles("CCO"))
        with pytest.raises(MoleculeError) as refused:
            read_molecule("C" * atom + "(C)(C)(C)C")
        return str(refused.value)

    with ThreadPoolExecutor(4) as pool:
        reasons = list(pool.map(reason, [2 + number % 50 for number in range(500)]))
    assert [f"atom {2 + number % 50} (C) has valence 5" in text for number, text in enumerate(reasons)] == [True] * 500
    assert not capfd.readouterr().err
    Chem.MolFromSmiles("c1cccc1")
    assert "kekulize" in capfd.readouterr().err


# Tokens and fragments


def test_tokens_are_heavy_atoms():
    assert is_token(from_smiles("[2H]OC")).tolist() == [False, True, True, False, False, False]


@pytest.mark.parametrize("smiles", ["[H][H]", "[H+]"])
def test_molecule_without_heavy_atoms_is_all_tokens(smiles):
    assert is_token(from_smiles(smiles)).all()


def test_fragment_without_heavy_atoms_is_tokens_beside_one_that_has_some():
    assert is_token(from_smiles("[H][H].C")).tolist() == [True, True, True, False, False, False, False]


def test_fragments_come_in_the_order_of_their_first_atom():
    assert [atoms.tolist() for atoms in fragments(from_smiles("[Cl-].O.[Na+]"))] == [[0], [1, 3, 4], [2]]
