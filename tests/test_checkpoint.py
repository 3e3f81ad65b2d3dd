"""Promises of weights on disk: what was saved is loaded, and anything else is refused in one line."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from confgen import checkpoint
from confgen.denoiser import Denoiser
from confgen.errors import WeightsError
from confgen.torsions import BINS, TorsionLibrary

SAMPLING = {"num_steps": 7, "sampler": "dpmpp"}
TRAINING = {"steps": 3}
LIBRARY = TorsionLibrary({"a bond": np.arange(BINS, dtype=float)})


@pytest.fixture(scope="module")
def denoiser(tiny: dict[str, Any], randomise: Callable[..., nn.Module]) -> Denoiser:
    made = Denoiser("clofnet", **tiny)
    randomise(made)
    return made.float()


@pytest.fixture
def folder(tmp_path: Path, denoiser: Denoiser) -> Path:
    checkpoint.save(tmp_path / "mine", denoiser, denoiser.state_dict(), SAMPLING, TRAINING, LIBRARY)
    return tmp_path / "mine"


def refused(name: Path | str) -> str:
    """The message with which loading fails."""
    with pytest.raises(WeightsError) as error:
        checkpoint.load(str(name))
    return str(error.value)


def rewrite(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def test_weights_come_back_to_the_precision_of_fp16(folder: Path, denoiser: Denoiser) -> None:
    loaded = checkpoint.load(str(folder)).denoiser.state_dict()
    for name, value in denoiser.state_dict().items():
        torch.testing.assert_close(loaded[name], value.half().float(), rtol=0, atol=0)


def test_saving_what_was_loaded_gives_the_same_file(folder: Path, tmp_path: Path) -> None:
    loaded = checkpoint.load(str(folder))
    checkpoint.save(tmp_path / "again", loaded.denoiser, loaded.denoiser.state_dict(), SAMPLING, TRAINING)
    assert checkpoint.load(str(tmp_path / "again")).sha256 == loaded.sha256


def test_the_config_of_the_network_comes_back(folder: Path, denoiser: Denoiser) -> None:
    assert checkpoint.load(str(folder)).denoiser.network.config == denoiser.network.config


def test_settings_of_the_sampler_come_back(folder: Path) -> None:
    assert checkpoint.load(str(folder)).sampling == SAMPLING


def test_a_folder_may_be_a_path(folder: Path) -> None:
    assert checkpoint.load(folder).name == folder.name


@pytest.mark.parametrize("given", [None, 3, b"drugs"], ids=str)
def test_weights_are_a_name_or_a_folder(given: object) -> None:
    with pytest.raises(WeightsError, match=r"^weights are .*; give a folder"):
        checkpoint.load(given)  # type: ignore[arg-type]


def test_loading_takes_no_random_numbers(folder: Path) -> None:
    before = torch.random.get_rng_state()
    checkpoint.load(str(folder))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_loaded_weights_are_ready_to_sample(folder: Path) -> None:
    loaded = checkpoint.load(str(folder)).denoiser
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())


def test_weights_are_named_after_their_folder(folder: Path) -> None:
    assert checkpoint.load(str(folder)).name == "mine"
    assert checkpoint.load("drugs").name == "drugs"


def test_weights_of_a_run_are_named_after_the_run(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folder, tmp_path / "third" / "weights")
    assert checkpoint.load(str(tmp_path / "third")).name == "third"
    monkeypatch.chdir(tmp_path / "third")
    assert checkpoint.load(".").name == "third"


def test_the_hash_is_that_of_the_tensor_file(folder: Path) -> None:
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert checkpoint.load(str(folder)).sha256 == digest


def test_nothing_but_the_three_files_is_left(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors", "torsions.json"]


def test_the_library_of_torsions_comes_back(folder: Path) -> None:
    library = checkpoint.load(str(folder)).torsions
    assert library is not None
    np.testing.assert_array_equal(library.counts["a bond"], LIBRARY.counts["a bond"])


def test_weights_without_a_library_have_none(tmp_path: Path, denoiser: Denoiser) -> None:
    checkpoint.save(tmp_path / "plain", denoiser, denoiser.state_dict(), SAMPLING, TRAINING)
    assert checkpoint.load(str(tmp_path / "plain")).torsions is None


def test_the_config_tells_of_the_training(folder: Path) -> None:
    assert checkpoint.read_config(folder)["training"] == TRAINING


def test_shipped_weights_are_found_by_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "shipped", lambda: {"drugs": folder})
    assert checkpoint.find("drugs") == folder


def test_another_name_is_refused(tmp_path: Path) -> None:
    message = refused(tmp_path / "nothing")
    assert "unknown" in message
    assert "\n" not in message


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "one byte changed": (lambda f: _flip(f / "model.safetensors"), "sha256"),
    "no tensors": (lambda f: (f / "model.safetensors").unlink(), "model.safetensors"),
    "one torsion changed": (lambda f: _flip(f / "torsions.json"), "sha256"),
    "no torsions": (lambda f: (f / "torsions.json").unlink(), "torsions.json"),
    "no config": (lambda f: (f / "config.json").unlink(), "config.json"),
    "a config that is no JSON": (lambda f: (f / "config.json").write_text("{"), "damaged"),
    "a config that is a list": (lambda f: (f / "config.json").write_text("[]"), "damaged"),
    "a config without a hash": (lambda f: (f / "config.json").write_text('{"network": "clofnet"}'), "damaged"),
    "a config that is not text": (lambda f: (f / "config.json").write_bytes(b"\xff\xfe"), "damaged"),
    "sampling that is a number": (lambda f: rewrite(f, sampling=4), "sampling is 4"),
    "training that is a number": (lambda f: rewrite(f, training=5), "training is 5"),
    "an unknown network": (lambda f: rewrite(f, network="schnet"), "schnet"),
    "another width": (lambda f: rewrite(f, config={"width": 64}), "do not fit"),
    "an unknown setting": (lambda f: rewrite(f, config={"widht": 64}), "widht"),
    "a setting that no network can have": (lambda f: rewrite(f, config={"heads": 0}), "do not fit"),
    "a setting of the wrong kind": (lambda f: rewrite(f, config=3), "config is 3"),
}  # fmt: skip


def _flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize("case", DAMAGES)
def test_damaged_weights_are_refused_in_one_line(case: str, folder: Path) -> None:
    damage, word = DAMAGES[case]
    damage(folder)
    message = refused(folder)
    assert word in message
    assert str(folder) in message
    assert "\n" not in message


def test_a_hash_that_is_no_text_is_refused(folder: Path) -> None:
    rewrite(folder, sha256=7)
    assert "config.json" in refused(folder)


def test_a_tensor_file_that_is_none_is_refused_even_if_its_hash_fits(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"junk")
    rewrite(folder, sha256=hashlib.sha256(b"junk").hexdigest())
    assert "do not fit" in refused(folder)


def test_torsions_that_are_none_are_refused_even_if_their_hash_fits(folder: Path) -> None:
    (folder / "torsions.json").write_bytes(b"{}")
    rewrite(folder, torsions_sha256=hashlib.sha256(b"{}").hexdigest())
    assert "no library of torsions" in refused(folder)


def test_saving_replaces_older_weights(folder: Path, denoiser: Denoiser) -> None:
    zero = {name: torch.zeros_like(value) for name, value in denoiser.state_dict().items()}
    checkpoint.save(folder, denoiser, zero, SAMPLING, TRAINING)
    assert not any(value.any() for value in checkpoint.load(str(folder)).denoiser.state_dict().values())


def test_a_copied_folder_loads_as_well(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    assert checkpoint.load(str(tmp_path / "copy")).sha256 == checkpoint.load(str(folder)).sha256


def test_the_networks_that_can_be_asked_for_are_those_registered() -> None:
    assert checkpoint.networks() == ["clofnet"]
