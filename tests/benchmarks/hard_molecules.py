"""Molecules that conformer generators find hard, by kind: large rings, cages, strain, size, charge, metals."""

from __future__ import annotations

from rdkit import Chem

HARD = {
    "ring": {
        "cyclononane": "C1CCCCCCCC1",
        "cyclododecane": "C1CCCCCCCCCCC1",
        "18-crown-6": "C1COCCOCCOCCOCCOCCO1",
        "exaltolide": "O=C1CCCCCCCCCCCCCCO1",
        "erythromycin": (
            "CC[C@@H]1[C@@]([C@@H]([C@H](C(=O)[C@@H](C[C@@]([C@@H]([C@H]([C@@H]([C@H](C(=O)O1)C)O[C@H]2C[C@@]([C@H]"
            "([C@@H](O2)C)O)(C)OC)C)O[C@H]3[C@@H]([C@H](C[C@H](O3)C)N(C)C)O)(C)O)C)C)O)(C)O"
        ),
        "30-crown-10": "C1" + "COC" * 9 + "CO1",
        "cyclotetracontane": "C1" + "C" * 38 + "C1",
    },
    "cyclic peptide": {
        "cyclo(Gly)6": "C1C(=O)NCC(=O)NCC(=O)NCC(=O)NCC(=O)NCC(=O)N1",
        "cyclo(RGDfV)": ("CC(C)[C@@H]1NC(=O)[C@@H](Cc2ccccc2)NC(=O)[C@H](CC(=O)O)NC(=O)CNC(=O)[C@H](CCCNC(N)=N)NC1=O"),
        "octreotide": (
            "C[C@@H](O)[C@@H](CO)NC(=O)[C@@H]1CSSC[C@H](NC(=O)[C@H](N)Cc2ccccc2)C(=O)N[C@@H](Cc2ccccc2)C(=O)N[C@H]"
            "(Cc2c[nH]c3ccccc23)C(=O)N[C@@H](CCCCN)C(=O)N[C@@H]([C@@H](C)O)C(=O)N1"
        ),
        "ciclosporin": (
            "CC[C@H]1C(=O)N(CC(=O)N([C@H](C(=O)N[C@H](C(=O)N([C@H](C(=O)N[C@H](C(=O)N[C@@H](C(=O)N([C@H](C(=O)N([C@H]"
            "(C(=O)N([C@H](C(=O)N([C@H](C(=O)N1)[C@@H]([C@H](C)C/C=C/C)O)C)C(C)C)C)CC(C)C)C)CC(C)C)C)C)C)CC(C)C)C)"
            "C(C)C)CC(C)C)C)C"
        ),
        "vancomycin": (
            "C[C@H]1[C@H]([C@@](C[C@@H](O1)O[C@@H]2[C@H]([C@@H]([C@H](O[C@H]2OC3=C4C=C5C=C3OC6=C(C=C(C=C6)[C@H]"
            "([C@H](C(=O)N[C@H](C(=O)N[C@H]5C(=O)N[C@@H]7C8=CC(=C(C=C8)O)C9=C(C=C(C=C9O)O)[C@H](NC(=O)[C@H]([C@@H]"
            "(C1=CC(=C(O4)C=C1)Cl)O)NC7=O)C(=O)O)CC(=O)N)NC(=O)[C@@H](CC(C)C)NC)O)Cl)CO)O)O)(C)N)O"
        ),
    },
    "cage": {
        "tetra-t-butyltetrahedrane": "CC(C)(C)C12C3(C(C)(C)C)C1(C(C)(C)C)C23C(C)(C)C",
        "prismane": "C12C3C1C4C2C34",
        "cubane": "C12C3C4C1C5C2C3C45",
        "octanitrocubane": "O=[N+]([O-])"
        + "C12C3({0})C4({0})C1({0})C5({0})C2({0})C3({0})C45{0}".format("[N+](=O)[O-]"),
        "adamantane": "C1C2CC3CC1CC(C2)C3",
        "diamantane": "C1C2CC3C4CC5CC(C14)C(C2)C3C5",
        "dodecahedrane": "C12C3C4C5C1C6C7C2C8C3C9C4C%10C5C6C%11C7C8C9C%10%11",
        "C60": (
            "c12c3c4c5c1c1c6c7c2c2c8c3c3c9c4c4c%10c5c5c1c1c6c6c%11c7c2c2c7c8c3c3c8c9c4c4c9c%10c5c5c1c1c6c6c%11c2c2c7"
            "c3c3c8c4c4c9c5c1c1c6c2c3c41"
        ),
        "urotropine": "C1N2CN3CN1CN(C2)C3",
    },
    "bridged and spiro": {
        "norbornane": "C1CC2CCC1C2",
        "bicyclo[1.1.1]pentane": "C1C2CC1C2",
        "[1.1.1]propellane": "C1C23CC12C3",
        "[2.2.2]propellane": "C1CC23CCC12CC3",
        "spiropentane": "C1CC12CC2",
        "bicyclo[1.1.0]butane": "C1C2C1C2",
        "quadricyclane": "C1C2C3C2C4C1C34",
        "triptycene": "C12c3ccccc3C(c3ccccc31)c1ccccc12",
        "morphine": "CN1CC[C@]23[C@@H]4[C@H]1CC5=C2C(=C(C=C5)O)O[C@H]3[C@H](C=C4)O",
        "paclitaxel": (
            "CC1=C2[C@H](C(=O)[C@@]3([C@H](C[C@@H]4[C@]([C@H]3[C@@H]([C@@](C2(C)C)(C[C@@H]1OC(=O)[C@@H]([C@H](C5=CC="
            "CC=C5)NC(=O)C6=CC=CC=C6)O)O)OC(=O)C7=CC=CC=C7)(CO4)OC(=O)C)O)C)OC(=O)C"
        ),
        "strychnine": "C1CN2CC3=CCO[C@H]4CC(=O)N5[C@H]6[C@H]4[C@H]3C[C@H]2[C@@]61C7=CC=CC=C75",
    },
    "strained": {
        "trans-cyclooctene": "C1CCC/C=C/CC1",
        "in,out-bicyclo[4.4.4]tetradecane": "C1CC[C@H]2CCCC[C@@H](C1)CCCC2",
        "cyclooctyne": "C1CCCC#CCC1",
        "[2.2]paracyclophane": "C1Cc2ccc(cc2)CCc2ccc1cc2",
        "[6]paracyclophane": "C1CCc2ccc(cc2)CCC1",
        "bicyclo[3.3.1]non-1-ene": "C1CC2=CCCC(C1)C2",
        "calicheamicin core": "O=C1C=C2C#C/C=C\\C#CC(C1)C2",
        "corannulene": "c1cc2ccc3ccc4ccc5ccc1c1c2c3c4c51",
        "hexahelicene": "c1ccc2c(c1)ccc1ccc3ccc4ccc5ccccc5c4c3c12",
        "tri-t-butylmethane": "CC(C)(C)C(C(C)(C)C)C(C)(C)C",
        "hexaphenylethane": "c1ccc(cc1)C(c1ccccc1)(c1ccccc1)C(c1ccccc1)(c1ccccc1)c1ccccc1",
    },
    "metal and hypervalent": {
        "ferrocene": "[CH-]1C=CC=C1.[CH-]1C=CC=C1.[Fe+2]",
        "cisplatin": "N[Pt](N)(Cl)Cl",
        "sodium tetraphenylborate": "[Na+].c1ccc(cc1)[B-](c1ccccc1)(c1ccccc1)c1ccccc1",
        "BODIPY": "Cc1cc(C)n2c1C=C1C(C)=CC(C)=[N+]1[B-]2(F)F",
        "SF6": "FS(F)(F)(F)(F)F",
        "PF5": "FP(F)(F)(F)F",
        "Dess-Martin periodinane": "CC(=O)OI1(OC(C)=O)(OC(C)=O)OC(=O)c2ccccc12",
        "hexachlorocyclotriphosphazene": "ClP1(Cl)=NP(Cl)(Cl)=NP(Cl)(Cl)=N1",
        "octamethyl-POSS": ("C[Si]12O[Si]3(C)O[Si]4(C)O[Si](C)(O1)O[Si]1(C)O[Si](C)(O2)O[Si](C)(O3)O[Si](C)(O4)O1"),
    },
    "charged and salt": {
        "spermine 4+": "[NH3+]CCC[NH2+]CCCC[NH2+]CCC[NH3+]",
        "EDTA 4-": "[O-]C(=O)CN(CCN(CC(=O)[O-])CC(=O)[O-])CC(=O)[O-]",
        "tetrabutylammonium PF6": "CCCC[N+](CCCC)(CCCC)CCCC.F[P-](F)(F)(F)(F)F",
        "suramin hexasodium": (
            "[Na+].[Na+].[Na+].[Na+].[Na+].[Na+].Cc1ccc(cc1NC(=O)c1cccc(c1)NC(=O)Nc1cccc(c1)C(=O)Nc1cc(ccc1C)C(=O)"
            "Nc1ccc(c2cc(cc(c12)S(=O)(=O)[O-])S(=O)(=O)[O-])S(=O)(=O)[O-])C(=O)Nc1ccc(c2cc(cc(c12)S(=O)(=O)[O-])"
            "S(=O)(=O)[O-])S(=O)(=O)[O-]"
        ),
    },
    "large": {
        "linear peptide of 20": Chem.MolToSmiles(Chem.MolFromSequence("ACDEFGHIKLMNPQRSTVWY")),
        "polystyrene of 12": "C" + "C(c1ccccc1)C" * 12,
        "PAMAM G1": (
            "C(CN(CCC(=O)NCCN(CCC(=O)NCCN)CCC(=O)NCCN)CCC(=O)NCCN(CCC(=O)NCCN)CCC(=O)NCCN)N(CCC(=O)NCCN(CCC(=O)NCCN)"
            "CCC(=O)NCCN)CCC(=O)NCCN(CCC(=O)NCCN)CCC(=O)NCCN"
        ),
        "linear heptasaccharide": "O[C@H]1O[C@H](CO)[C@@H]([C@H](O)[C@H]1O)" * 7 + "O",
        "beta-cyclodextrin": (
            "C([C@@H]1[C@@H]2[C@@H]([C@H]([C@H](O1)O[C@@H]3[C@H](O[C@@H]([C@@H]([C@H]3O)O)O[C@@H]4[C@H](O[C@@H]([C@@H]"
            "([C@H]4O)O)O[C@@H]5[C@H](O[C@@H]([C@@H]([C@H]5O)O)O[C@@H]6[C@H](O[C@@H]([C@@H]([C@H]6O)O)O[C@@H]7[C@H]"
            "(O[C@@H]([C@@H]([C@H]7O)O)O[C@@H]8[C@H](O[C@H](O2)[C@@H]([C@H]8O)O)CO)CO)CO)CO)CO)CO)O)O)O"
        ),
        "DNA of 8": Chem.MolToSmiles(Chem.MolFromSequence("ACGTACGT", flavor=6)),
        "PEG of 100": "O" + "CCO" * 100,
        "polyleucine of 62": Chem.MolToSmiles(Chem.MolFromSequence("L" * 62)),
    },
}
