"""Promises of tests/benchmarks/ablations.py: right errors, one budget for all, nothing trained twice or in vain."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from torch import Tensor
from typer.testing import CliRunner, Result

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))  # they are scripts, and import one another as such

import ablations
import estimates
import variants

from confgen.dataset import Pack
from confgen.errors import CannotStart
from confgen.models.dense import DenseGraph
from confgen.recipe import OptimSettings
from confgen.trainer import Diverged

APP = typer.Typer()
APP.command()(ablations.main)
MOLECULES = 4
CONFIG = """
[[data.sets]]
path = "{pack}"
[model]
width = 16
pair_width = 8
vectors = 4
heads = 2
layers = 1
radial = 4
[batch]
pairs = 500
[optim]
warmup = 2
ema = 0.9
bf16 = false
"""

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, pack_file: Path) -> Run:
    """Function: variants and further options -> what the command made of a tiny recipe, records in runs.jsonl."""
    (tmp_path / "base.toml").write_text(CONFIG.format(pack=pack_file))

    def call(choices: str = "loss.quotient=false", *options: str) -> Result:
        fixed = ["--variants", choices, "--minutes", "0.003", "--molecules", str(MOLECULES)]
        records = ["--json", str(tmp_path / "runs.jsonl")]
        return CliRunner().invoke(APP, [str(tmp_path / "base.toml"), str(pack_file), *fixed, *records, *options])

    return call


@pytest.fixture
def not_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes every training fail."""

    def fail(*_: Any) -> None:
        pytest.fail("trained")

    monkeypatch.setattr(ablations, "trained", fail)


def cells(text: str) -> dict[str, list[str]]:
    """The cells of every row after its variant, by the variant."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| `")]
    return {name.strip("`"): rest for name, *rest in rows}


class Known:
    """Its estimates are the clean positions of the molecules in their order, turned and scaled about the centroid."""

    def __init__(self, pack: Pack, turn: Tensor, scale: float = 1.0) -> None:
        self.pack, self.turn, self.scale, self.seen = pack, turn.float(), scale, -1

    def encode(self, graph: DenseGraph) -> Tensor:
        del graph
        self.seen += 1
        return self.pack.positions(torch.tensor([self.seen]), torch.tensor([0]))

    def __call__(self, encoded: Tensor, pos: Tensor, sigma: Tensor) -> Tensor:
        del sigma
        return (self.scale * encoded @ self.turn + 5.0).expand_as(pos)


def test_clean_positions_turned_and_moved_have_no_error(pack: Pack, rotation: Tensor) -> None:
    errors = estimates.estimate_errors(Known(pack, rotation), pack, MOLECULES)
    assert errors.shape == (MOLECULES, 5)
    assert np.abs(errors).max() < 1e-5


def test_positions_a_tenth_too_large_are_off_by_a_tenth_of_the_radius(pack: Pack, rotation: Tensor) -> None:
    errors = estimates.estimate_errors(Known(pack, rotation, 1.1), pack, 1)
    clean = pack.positions(torch.tensor([0]), torch.tensor([0]))[0, :3].double().numpy()  # ethanol: all pairs are near
    radius = np.sqrt(((clean - clean.mean(0)) ** 2).sum(1).mean())
    apart = np.mean([np.linalg.norm(clean[i] - clean[j]) for i, j in ((0, 1), (0, 2), (1, 2))])
    assert errors[0] == pytest.approx([0.1 * radius] * 4 + [0.1 * apart], abs=1e-5)


def test_mirror_images_are_not_superposed(pack: Pack) -> None:
    errors = estimates.estimate_errors(Known(pack, torch.diag(torch.tensor([1.0, 1.0, -1.0]))), pack, 6)
    assert errors[5, 0] > 0.1  # C[C@@H](O)CF
    assert errors[5, 4] < 1e-5


def test_every_denoiser_sees_the_same_noise(pack: Pack, rotation: Tensor) -> None:
    class Watching(Known):
        def __call__(self, encoded: Tensor, pos: Tensor, sigma: Tensor) -> Tensor:
            given.append(pos - encoded)
            return super().__call__(encoded, pos, sigma)

    given: list[Tensor] = []
    for _ in range(2):
        torch.rand(3)
        estimates.estimate_errors(Watching(pack, rotation), pack, 2)
    assert torch.equal(given[0], given[2])
    assert torch.equal(given[1], given[3])
    spread = [float(noise.std()) for noise in given[0]]
    assert spread == sorted(spread)


def test_estimates_that_are_not_finite_are_told(pack: Pack, rotation: Tensor) -> None:
    with pytest.raises(Diverged, match="molecule 1"):
        estimates.estimate_errors(Known(pack, rotation, float("nan")), pack, 1)


def test_settings_are_split_where_one_ends_and_values_read_as_toml() -> None:
    text = "model.second_axis=position,loss.quotient=false, optim.lr=1e+3+model.width=128,batch.sizes=[1,2]"
    assert variants.split_variants(text) == {
        "base": {},
        "model.second_axis=position": {"model.second_axis": "position"},
        "loss.quotient=false": {"loss.quotient": False},
        "optim.lr=1e+3+model.width=128": {"optim.lr": 1000.0, "model.width": 128},
        "batch.sizes=[1,2]": {"batch.sizes": [1, 2]},
    }


@pytest.mark.parametrize("text", ["loss.quotient", "loss.local=0..5", "optim.steps=5", "optim.seed=5"])
def test_what_is_no_setting_of_a_variant_is_refused(text: str) -> None:
    with pytest.raises(CannotStart, match=text):
        variants.split_variants(text)


def test_a_changed_config_leaves_the_base_alone() -> None:
    base = {"loss": {"local": 0.5}, "data": {"sets": []}}
    assert variants.changed(base, {"loss.local": 0.0, "noise.log_std": 1.0}) == {
        "loss": {"local": 0.0}, "data": {"sets": []}, "noise": {"log_std": 1.0},
    }  # fmt: skip
    assert base["loss"] == {"local": 0.5}
    with pytest.raises(CannotStart, match="sets is no table"):
        variants.changed(base, {"data.sets.weight": 2.0})


def test_the_learning_rate_follows_the_share_of_the_time() -> None:
    optim = OptimSettings(steps=20_000, warmup=1, final=0.0)
    factors = [ablations.on_schedule(optim, 40, share).factor(40) for share in (0.25, 0.5, 1.0)]
    assert factors == pytest.approx([0.5 * (1 + 0.5**0.5), 0.5, 0.0])


def test_the_difference_is_that_of_pairs_and_of_the_rmsds_alone() -> None:
    base = np.array([[1.0, 1.0, 1.0, 1.0, 1.0], [0.1, 0.1, 0.2, 0.2, 1.0]])
    errors = np.array([[1.1, 1.1, 1.1, 1.1, 9.0], [0.1, 0.1, 0.2, 0.4, 9.0]])
    assert ablations.relative(errors, base) == pytest.approx([10.0, 25.0])


def test_a_row_has_means_over_seeds_and_the_spread_between_them() -> None:
    def record(variant: str, seed: int, error: float) -> ablations.Record:
        return ablations.Record(variant, seed, "", 10, 1, 5000, 2.0, [[error] * 5] * 3)

    base = [record("base", 1, 0.9), record("base", 2, 1.1)]
    expected = "10 5.0 2500 1.2000 1.2000 1.2000 1.2000 1.2000 +20.00 ± 0.00 +10.00, +30.00"
    assert " ".join(ablations.row([record("v", 1, 1.1), record("v", 2, 1.3)], base)[1:]) == expected
    assert ablations.row(base, base)[-2:] == ["", "-10.00, +10.00"]


def test_base_and_variant_have_finite_errors_and_the_same_budget(run: Run, tmp_path: Path) -> None:
    result = run("loss.quotient=false", "--seeds", "2", "--markdown", str(tmp_path / "table.md"))
    assert result.exit_code == 0, result.output
    rows = cells((tmp_path / "table.md").read_text())
    assert list(rows) == ["base", "loss.quotient=false"]
    assert all(np.isfinite(float(cell)) for row in rows.values() for cell in row[1:8])
    records = [json.loads(line) for line in (tmp_path / "runs.jsonl").read_text().splitlines()]
    assert [(r["variant"], r["seed"]) for r in records] == [(name, seed) for seed in (1, 2) for name in rows]
    assert all(0.18 <= r["cpu_s"] < 1.0 and np.shape(r["errors"]) == (MOLECULES, 5) for r in records)


def test_resuming_trains_only_what_is_missing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    first = cells(run("loss.quotient=false").output)
    trained, true = [], ablations.trained

    def counted(recipe: Any, *rest: Any) -> Any:
        trained.append(recipe.loss.local)
        return true(recipe, *rest)

    monkeypatch.setattr(ablations, "trained", counted)
    second = cells(run("loss.quotient=false,loss.local=0", "--resume").output)
    assert trained == [0.0]
    assert {name: second[name] for name in first} == first
    assert list(second) == ["base", "loss.quotient=false", "loss.local=0"]


def test_records_of_another_budget_are_not_gone_on_with(run: Run) -> None:
    run("")
    result = run("", "--resume", "--minutes", "0.004")
    assert result.exit_code == 2
    assert "0.003 CPU min" in result.stderr


@pytest.mark.usefixtures("not_trained")
@pytest.mark.parametrize("choice", ["loss.quotiant=false", "quotient=false", "model.widht=8", "loss.quotient=False"])
def test_an_unknown_setting_is_refused_in_one_line_before_anything_is_trained(
    choice: str, run: Run, tmp_path: Path
) -> None:
    result = run(f"loss.local=0.0,{choice}" if "." in choice else choice)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert choice.partition("=")[0] in result.stderr
    assert not (tmp_path / "runs.jsonl").exists()


def test_a_variant_that_diverges_is_told_and_the_others_go_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    true = ablations.trained

    def trained(recipe: Any, *rest: Any) -> Any:
        if recipe.optim.lr > 1:
            raise Diverged("step 21: not finite")
        return true(recipe, *rest)

    monkeypatch.setattr(ablations, "trained", trained)
    result = run("optim.lr=9,loss.local=0")
    assert result.exit_code == 0, result.output
    assert cells(result.output)["optim.lr=9"][0] == "diverged"
    assert "- `optim.lr=9`, seed 1: step 21" in result.output
    assert cells(result.output)["loss.local=0"][-1]
