"""Promises of the training config: defaults where nothing is said, one line for whatever cannot be meant."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from confgen.denoiser import LossSettings
from confgen.errors import InputError
from confgen.mixture import BatchSettings, NoiseSettings
from confgen.recipe import OptimSettings, Recipe, read_recipe

SETS = '[[data.sets]]\npath = "a.parquet"\n'

WRONG = {
    "unknown table": (SETS + "[optimiser]\nlr = 1.0", "optimiser"),
    "unknown key": (SETS + "[optim]\nlearning_rate = 1.0", "optim.learning_rate"),
    "unknown key of a set": (SETS + "share = 1.0", "data.sets.share"),
    "unknown key of the data": ("[data]\nfolder = 'x'\n" + SETS, "data.folder"),
    "text for a number": (SETS + "[optim]\nlr = 'fast'", "optim.lr"),
    "a fraction for a count": (SETS + "[optim]\nsteps = 1.5", "optim.steps"),
    "a number for a switch": (SETS + "[optim]\nbf16 = 1", "optim.bf16"),
    "a switch for a number": (SETS + "[optim]\nlr = true", "optim.lr"),
    "a number for a path": ("[[data.sets]]\npath = 3", "data.sets.path"),
    "a set without a path": ("[[data.sets]]\nweight = 1.0", "data.sets.path"),
    "validation without a path": (SETS + "[validation]\nmolecules = 3", "validation.path"),
    "no data": ("[optim]\nlr = 1.0", "data.sets"),
    "a value for a table": ("loss = 3\n" + SETS, "loss"),
    "unknown network": (SETS + "[model]\nnetwork = 'schnet'", "schnet"),
    "a syntax error": ("[optim\nlr = 1", "TOML"),
}
UNCHECKED = {
    "a table for a list of sets": ("[data.sets]\npath = 'a.parquet'", "data.sets"),
    "text for the workers": ("[data]\nworkers = 'two'\n" + SETS, "data.workers"),
    "a number for the cache": ("[data]\ncache = 3\n" + SETS, "data.cache"),
    "no steps": (SETS + "[optim]\nsteps = 0", "optim.steps"),
    "no draws": (SETS + "[batch]\ndraws = 0", "batch.draws"),
    "no noise at all": (SETS + "[noise]\nsigma_min = 0.0", "noise.sigma_min"),
    "less than no time": (SETS + "[optim]\nminutes = -1", "optim.minutes"),
    "more than all samples on their way": (SETS + "starts = true\n[noise]\nstarts = 1.5", "noise.starts"),
    "less than no path": (SETS + "[noise]\nstart_path = -0.1", "noise.start_path"),
    "less than no steps": (SETS + "[noise]\nstart_steps = -1", "noise.start_steps"),
    "half a step": (SETS + "[noise]\nstart_steps = 0.5", "noise.start_steps"),
    "no power": (SETS + "[loss]\npower = 0.0", "loss.power"),
    "samples on their way from nowhere": (SETS + "[noise]\nstarts = 0.5", "starts = true"),
    "starts without noise": (SETS + "[noise]\nstart_sigma = 0.0", "noise.start_sigma"),
    "a negative weight": (SETS + "weight = -1.0", "data.sets.weight"),
    "unknown setting of the network": (SETS + "[model]\nwidht = 32", "model.widht"),
    "a frame that there is none of": (SETS + "[model]\nsecond_axis = 'positon'", "'learned' or 'position'"),
    "text for the width": (SETS + "[model]\nwidth = 'big'", "model.width"),
    "half a layer": (SETS + "[model]\nlayers = 1.5", "model.layers"),
    "no vectors": (SETS + "[model]\nvectors = 0", "model.vectors"),
    "heads that do not divide the width": (SETS + "[model]\nheads = 7", "model.heads"),
    "unknown setting of the sampler": (SETS + "[sampling]\nstepps = 32", "sampling.stepps"),
    "a sampler that is a number": (SETS + "[sampling]\nsampler = 3", "sampling.sampler"),
    "a sampler that there is none of": (SETS + "[sampling]\nsampler = 'euler'", "sampler is 'euler'"),
    "a start that there is none of": (SETS + "[sampling]\nstart = 'foo'", "start is 'foo'"),
    "text for the steps of a start": (SETS + "[sampling.mmff94s]\nnum_steps = 'x'", "sampling.mmff94s.num_steps"),
    "no steps from a start": (SETS + "[sampling.etkdg]\nnum_steps = 0", "for the start etkdg"),
    "a negative rate": (SETS + "[optim]\nlr = -1", "optim.lr is -1"),
    "a rate that is no number": (SETS + "[optim]\nlr = nan", "optim.lr is nan"),
    "a seed too large": (SETS + "[optim]\nseed = 99999999999999999999", "optim.seed"),
    "gradients turned round": (SETS + "[optim]\nclip = -1", "optim.clip"),
    "an average of the future": (SETS + "[optim]\nema = 1.5", "optim.ema"),
    "weights that grow": (SETS + "[optim]\nweight_decay = -1", "optim.weight_decay"),
    "a weight that is no number": (SETS + "weight = nan", "data.sets.weight"),
    "noise that is no number": (SETS + "[noise]\nlog_mean = nan", "noise.log_mean"),
    "less than no spread": (SETS + "[noise]\nlog_std = -1", "noise.log_std"),
    "a part of the loss that is wanted large": (SETS + "[loss]\nlocal = -1", "loss.local"),
    "nobody to validate on": (SETS + "[validation]\npath = 'v.parquet'\nmolecules = 0", "validation.molecules"),
}


def recipe_of(folder: Path, text: str) -> Recipe:
    (folder / "run.toml").write_text(text)
    return read_recipe(folder / "run.toml")


def test_what_is_not_said_has_its_default(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, SETS)
    assert (recipe.network, recipe.noise, recipe.loss, recipe.batch, recipe.optim) == (
        "clofnet", NoiseSettings(), LossSettings(), BatchSettings(), OptimSettings(),
    )  # fmt: skip


def test_what_is_said_counts(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, SETS + "[optim]\nlr = 0.5\nbf16 = false\n[loss]\nquotient = false")
    assert (recipe.optim, recipe.loss) == (
        replace(OptimSettings(), lr=0.5, bf16=False), replace(LossSettings(), quotient=False),
    )  # fmt: skip


def test_several_sets_keep_their_order_and_weights(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, SETS + '[[data.sets]]\npath = "b.parquet"\nweight = 2')
    assert [(s.path.name, s.weight) for s in recipe.sets] == [("a.parquet", 1.0), ("b.parquet", 2.0)]


def test_paths_are_taken_from_the_folder_of_the_file(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, SETS + "[validation]\npath = 'sub/v.parquet'")
    assert recipe.validation is not None
    assert (recipe.sets[0].path, recipe.validation.path, recipe.cache) == (
        tmp_path / "a.parquet", tmp_path / "sub" / "v.parquet", tmp_path / ".cache",
    )  # fmt: skip


def test_absolute_paths_stay(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, f"[data]\ncache = '{tmp_path}/elsewhere'\n" + SETS)
    assert recipe.cache == tmp_path / "elsewhere"


def test_an_integer_serves_as_a_number(tmp_path: Path) -> None:
    assert recipe_of(tmp_path, SETS + "[optim]\nlr = 1").optim.lr == 1.0


def test_the_config_of_the_network_is_what_the_model_table_says(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, SETS + "[model]\nnetwork = 'clofnet'\nwidth = 32")
    assert (recipe.network, recipe.config) == ("clofnet", {"width": 32})


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_meant_is_an_input_error_that_names_it(case: str, tmp_path: Path) -> None:
    text, name = WRONG[case]
    with pytest.raises(InputError, match=name) as error:
        recipe_of(tmp_path, text)
    assert "\n" not in str(error.value)
    assert str(tmp_path / "run.toml") in str(error.value)


@pytest.mark.parametrize("case", UNCHECKED)
def test_what_would_fail_later_is_an_input_error_too(case: str, tmp_path: Path) -> None:
    text, name = UNCHECKED[case]
    with pytest.raises(InputError, match=name):
        recipe_of(tmp_path, text)


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml") as error:
        read_recipe(tmp_path / "none.toml")
    assert "\n" not in str(error.value)


def test_a_file_that_is_no_text_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"run\.toml"):
        read_recipe(tmp_path / "run.toml")


def test_the_learning_rate_rises_then_falls_to_its_final_share() -> None:
    optim = OptimSettings(steps=1000, warmup=100, final=0.02)
    factors = [optim.factor(step) for step in (0, 49, 99, 100, 550, 1000)]
    assert factors[0] == pytest.approx(0.01)
    assert factors[:3] == sorted(factors[:3])
    assert factors[2:] == sorted(factors[2:], reverse=True)
    assert factors[-1] == pytest.approx(0.02)


def test_half_way_the_cosine_is_half_way() -> None:
    assert OptimSettings(steps=1000, warmup=1, final=0.0).factor(500) == pytest.approx(0.5)
