"""The HTML page of an evaluation: complete, escaped, self-contained, small."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ensembles import molecule
from rdkit import Chem

from confgen.cli.tables import tables
from confgen.report import report_html
from confgen.report.charts import ticks
from confgen.report.data import WORST, flat_view, structure
from confgen.scores import PROTOCOLS, Evaluation, MoleculeScores

# What the package registry has as build/3Dmol-min.js of 3dmol 2.5.5.
VIEWER_SHA256 = "f7cc78921ae72e7623e89cdd111434f58c2efddd2ffda1cd212644b406fb8016"
ETHANOL = molecule("CCO", 1)
NASTY = "</script><script>alert(1)</script> \"a\" 'b' <!-- & \u2028 分子 \ud800"


def scores(name: str = "ethanol", *, distance: float = 0.4, number: int = 0, **changes: Any) -> MoleculeScores:
    """A molecule with two references and four generated conformers, all of them so far away."""
    return MoleculeScores(**{
        "name": name, "smiles": "CCO", "origin": f"ref.parquet row {number}", "num_references": 2, "num_generated": 4,
        "recall": np.full(2, distance), "precision": np.full(4, distance), "rotatable_bonds": number % 12,
        "heavy_atoms": 3, "right_stereo": 4, "valid": 4, "overlay": (ETHANOL, ETHANOL),
    } | changes)  # fmt: skip


def failure(name: str, error: str = "nothing could be embedded", **changes: Any) -> MoleculeScores:
    nothing = {"num_generated": 0, "recall": np.full(2, np.inf), "precision": np.zeros(0), "overlay": None}
    return scores(name, error=error, right_stereo=0, valid=0, **nothing, **changes)


def evaluation(molecules: list[MoleculeScores], method: str = "confgen", **changes: Any) -> Evaluation:
    return Evaluation(method, f"{method}.sdf", PROTOCOLS["geomol"], molecules, **changes)


class Page(HTMLParser):
    """The page as a browser takes it: text outside scripts, all attributes, and the content of each script."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.attributes, self.raw = "", [], []
        self.tags: list[str] = []
        self._inside = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag in ("script", "style"):
            self._inside = tag
            self.raw.append((tag, dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            tag, attrs, text = self.raw[-1]
            self.raw[-1] = (tag, attrs, text + data)
        else:
            self.text += data

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(next(text for _, attrs, text in self.raw if attrs.get("id") == "data"))
        return found

    def value(self, tag: str, name: str, **where: str) -> str:
        """The attribute of the only element of that kind (with these attributes)."""
        del where
        return next(value for t, n, value in self.attributes if (t, n) == (tag, name))


def test_every_method_and_molecule_is_in_the_page() -> None:
    methods = [evaluation([scores("ethanol"), scores("water", number=1)], method) for method in ("confgen", "ETKDG")]
    page = Page(report_html(methods))
    assert page.data["methods"] == ["confgen", "ETKDG"]
    assert [row[0] for row in page.data["molecules"]] == ["ethanol", "water"]
    assert page.data["scores"][1][0][:4] == [0.4, 0.4, 1.0, 1.0]


def test_curves_hold_the_coverage_at_every_threshold() -> None:
    data = Page(report_html([evaluation([scores(distance=0.4), scores("far", distance=1.0, number=1)])])).data
    at = dict(zip(data["thresholds"], data["recall"][0], strict=True))
    assert [at[0.0], at[0.5], at[0.75], at[1.25]] == [0.0, 0.5, 0.5, 1.0]


def test_the_page_loads_nothing() -> None:
    page = Page(report_html([evaluation([scores()])]))
    loading = {"src", "href", "srcset", "action", "data", "poster", "xlink:href", "formaction", "background"}
    found = [(tag, value) for tag, name, value in page.attributes if name in loading]
    assert [entry for entry in found if not entry[1].startswith(("#", "data:"))] == []
    own = "".join(text for tag, attrs, text in page.raw if "3Dmol" not in text[:3000] and not attrs.get("id"))
    assert re.findall(r"https?:|url\(|@import|fetch|XMLHttp", own) == []


def test_the_policy_admits_the_pages_own_scripts_and_style_and_nothing_else() -> None:
    page = Page(report_html([evaluation([scores()])]))
    policy = dict(part.strip().split(" ", 1) for part in page.value("meta", "content").split(";"))
    assert policy["default-src"] == "'none'"
    assert "unsafe" not in str(policy)
    for tag, attrs, text in page.raw:
        if attrs.get("type") != "application/json":
            wanted = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"'sha256-{wanted}'" in policy[f"{tag}-src"]


def test_the_policy_is_not_broken_by_the_pages_own_attributes() -> None:
    page = Page(report_html([evaluation([scores(), failure("gone")])]))
    assert [entry for entry in page.attributes if entry[1] == "style" or entry[1].startswith("on")] == []


def test_names_cannot_become_markup() -> None:
    clean = Page(report_html([evaluation([scores(), failure("gone")], "a", unmatched=["x"], notes=["y"])]))
    spoiled = Page(
        report_html(
            [
                evaluation(
                    [
                        scores(NASTY, smiles=NASTY, origin=NASTY, wrong_stereo=NASTY, right_stereo=4),
                        failure(NASTY, NASTY, origin=NASTY, number=1),
                    ],
                    NASTY, unmatched=[NASTY], notes=[NASTY], properties={NASTY: 1.0},
                )
            ],
            command=NASTY,
        )
    )  # fmt: skip
    assert spoiled.tags.count("script") == clean.tags.count("script")
    assert "alert(1)" not in "".join(text for _, attrs, text in spoiled.raw if not attrs.get("id"))
    assert spoiled.data["molecules"][0][0].startswith("</script><script>alert(1)</script> \"a\" 'b' <!-- &")


def test_the_page_can_be_written_as_utf8() -> None:
    report_html([evaluation([scores(NASTY), failure(NASTY, NASTY)], NASTY)], command=NASTY).encode()


def test_failures_and_stereo_errors_are_listed() -> None:
    wrong = scores("mirror", right_stereo=1, wrong_stereo="atom 2: S instead of R in 3", number=1)
    text = Page(report_html([evaluation([failure("gone", "no conformer in 60 s"), wrong])])).text
    for expected in ("gone", "no conformer in 60 s", "mirror", "atom 2: S instead of R in 3", "3 of 4", "1 failed"):
        assert expected in text


def test_what_could_not_be_matched_is_listed() -> None:
    notes = evaluation([scores(bounded=True)], unmatched=["stray"], ambiguous=["twins"], notes=["row 9 left out"])
    text = Page(report_html([notes])).text
    for expected in ("stray", "twins", "row 9 left out", "upper bounds"):
        assert expected in text


def test_a_perfect_evaluation_says_that_nothing_went_wrong() -> None:
    text = Page(report_html([evaluation([scores()])])).text
    assert "Every reference molecule was scored." in text
    assert "Every scored conformer has the stereochemistry asked for." in text


def test_worst_molecules_come_first_and_are_limited() -> None:
    many = [scores(f"m{k}", distance=k / 100, number=k) for k in range(WORST + 10)]
    (worst,) = Page(report_html([evaluation(many)])).data["worst"]
    assert [entry[0] for entry in worst] == list(range(WORST + 9, 9, -1))


def test_a_molecule_that_is_not_among_the_worst_adds_little_to_the_page() -> None:
    many = [scores(f"molecule {k}", distance=k / 1000, number=k) for k in range(WORST + 200)]
    added = len(report_html([evaluation(many)])) - len(report_html([evaluation(many[-WORST:])]))
    assert added / 200 < 120


def test_failures_without_structures_still_make_a_page() -> None:
    data = Page(report_html([evaluation([failure("a"), failure("b", number=1)])])).data
    assert data["scores"] == [["nothing could be embedded"] * 2]
    assert data["worst"] == [[]]


def test_a_reference_that_could_not_be_read_counts_nowhere() -> None:
    unread = failure("unread", "not readable", num_references=0, number=1)
    unread = MoleculeScores(**{**vars(unread), "recall": np.zeros(0)})
    text = Page(report_html([evaluation([scores(), unread])])).text
    assert "1 of 1" in text
    assert "1 without a readable reference" in text


def test_an_empty_evaluation_makes_a_page() -> None:
    assert Page(report_html([evaluation([])])).data["molecules"] == []


def test_methods_with_different_molecules_share_one_table() -> None:
    data = Page(report_html([evaluation([scores("a")]), evaluation([scores("b", number=1)], "other")])).data
    assert [row[0] for row in data["molecules"]] == ["a", "b"]
    assert data["scores"][0][1] is None
    assert data["scores"][1][0] is None


def test_structures_keep_their_distances_when_laid_flat() -> None:
    mol = molecule("CC(=O)N", 1)
    flat = np.array(structure(mol, *flat_view(mol))["x"]).reshape(-1, 3) / 100
    pos = mol.GetConformer().GetPositions()
    wanted = np.linalg.norm(pos[:, None] - pos, axis=-1)
    np.testing.assert_allclose(np.linalg.norm(flat[:, None] - flat, axis=-1), wanted, atol=0.03)


def test_structures_are_not_mirrored_when_laid_flat() -> None:
    mol = molecule("C[C@H](N)F", 1)
    turn, _ = flat_view(mol)
    assert np.linalg.det(turn) == pytest.approx(1.0)


def test_a_single_atom_can_be_laid_flat() -> None:
    mol = Chem.Mol(molecule("[Na+]", 1))
    assert structure(mol, *flat_view(mol)) == {"e": ["Na"], "x": [0, 0, 0], "b": []}


def test_one_conformer_for_each_reference_is_one() -> None:
    one = replace(evaluation([scores()]), protocol=replace(PROTOCOLS["geomol"], per_reference=1))
    assert "the first generated conformer for each reference is scored" in Page(report_html([one])).text


def test_how_it_was_made_is_told() -> None:
    made = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
    text = Page(report_html([evaluation([scores()])], command="confgen evaluate a b", made=made)).text
    for expected in ("confgen evaluate a b", "2026-03-04 05:06 UTC", "RDKit", "confgen.sdf", "geomol"):
        assert expected in text


def test_the_viewer_is_the_published_one_with_its_licence() -> None:
    package = files("confgen.report")
    assert hashlib.sha256((package / "3Dmol-min.js").read_bytes()).hexdigest() == VIEWER_SHA256
    licence = (package / "3Dmol-LICENSE.txt").read_text()
    assert licence in Page(report_html([evaluation([scores()])])).text


def test_scripts_hold_nothing_that_would_end_their_element() -> None:
    for path in files("confgen.report").iterdir():
        if path.name.endswith(".js"):
            assert re.findall(r"</script|<!--", path.read_text(encoding="utf-8"), re.IGNORECASE) == []


def test_every_chart_says_what_it_shows() -> None:
    html = report_html([evaluation([scores()])])
    charts = re.findall(r'<svg class="chart"[^>]*>', html)
    assert len(charts) == 4
    assert all('role="img" aria-label="' in chart for chart in charts)


@pytest.mark.parametrize(("low", "high"), [(0.0, 2.0), (0.0, 0.07), (0.0, 13.0)])
def test_ticks_are_few_and_within_the_axis(low: float, high: float) -> None:
    places = [place for place, _ in ticks(low, high)]
    assert 3 <= len(places) <= 7
    assert min(places) >= low
    assert max(places) <= high * 1.0001


def test_all_assets_go_into_the_package() -> None:
    root = Path(__file__).parents[1]
    globs = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["confgen.report"]
    folder = root / "confgen" / "report"
    packed = {path for glob in globs for path in folder.glob(glob)}
    assert {path for path in folder.iterdir() if path.is_file() and path.suffix != ".py"} - packed == set()


def test_nothing_is_called_right_where_nothing_was_scored() -> None:
    assert "Every scored conformer" not in Page(report_html([evaluation([failure("gone")])])).text


def test_stereo_and_validity_are_the_means_of_the_printed_table() -> None:
    many = scores("many", number=1, num_generated=40, precision=np.full(40, 0.4), right_stereo=40, valid=40)
    one = evaluation([scores(right_stereo=1, valid=2), many, failure("gone", number=2)])
    html = report_html([one])
    row = next(table.rows[0] for table in tables([one]) if "stereo %" in table.header)
    assert row[3:5] == ["62.5", "75.0"]
    for name, median in (("Stereo as asked", "62.5"), ("Valid", "75.0")):
        cells = re.search(rf"<tr><th scope=\"row\">{name} .*?</tr>", html)
        assert cells is not None
        assert "failures left out" in cells[0]
        assert re.findall(r"<td>(?:<b>)?(.*?)(?:\N{NO-BREAK SPACE}%</b>)?</td>", cells[0]) == [
            median, f"{float(median) * 2 - 100:.1f} to 100.0", median
        ]  # fmt: skip
