"""Weights on disk: a folder with `model.safetensors`, `config.json` and a model card, verified when loaded.

`config.json` names the network and its config, the sampler's settings that go with the weights, and the sha256 of the
tensors, and of `torsions.json` if there is a library of torsions beside them. Nothing in the folder is executed: no
pickle.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from confgen import models
from confgen.denoiser import Denoiser
from confgen.device import has_fast_bf16, keep_few_kernels
from confgen.errors import WeightsError
from confgen.torsions import TorsionLibrary

DEFAULT = "drugs"
TENSORS, TORSIONS = "model.safetensors", "torsions.json"


@dataclass(frozen=True)
class Weights:
    """A denoiser ready to sample, with what its `config.json` says.

    name: of the shipped weights, or of the folder that the user gave.
    sha256: of the tensor file.  sampling: settings chosen for these weights by measurement.
    torsions: of the molecules that the denoiser was trained on, if they were counted.
    samples: that training showed the denoiser, those of the weights that it began with among them.
    """

    denoiser: Denoiser
    name: str
    sha256: str
    sampling: dict[str, Any]
    torsions: TorsionLibrary | None = None
    samples: int = 0

    @property
    def device(self) -> torch.device:
        """Where the denoiser is, and sampling happens."""
        return next(self.denoiser.parameters()).device

    @cached_property
    def for_sampling(self) -> Denoiser:
        """The denoiser as it samples: ready for products in bfloat16 where these are quicker."""
        keep_few_kernels()
        return self.denoiser.with_bf16_products() if has_fast_bf16(self.device) else self.denoiser


def shipped() -> dict[str, Path]:
    """Folders of the weights that came with the package, by name."""
    root = Path(str(resources.files("confgen.weights")))
    return {path.parent.name: path.parent for path in sorted(root.glob("*/config.json"))}


@cache
def shipped_torsions() -> TorsionLibrary:
    """The library of torsions that came with the package."""
    library = _torsions(shipped()[DEFAULT], read_config(shipped()[DEFAULT])["torsions_sha256"])
    assert library is not None
    return library


def find(name: str | Path) -> Path:
    """The folder of shipped weights of that name, or the folder itself. WeightsError if there is neither."""
    folders = shipped()
    if not isinstance(name, str | Path):
        raise WeightsError(f"weights are {name!r}; give a folder, or the name of some shipped: {', '.join(folders)}")
    name = str(name)
    if name in folders:
        return folders[name]
    if (Path(name) / "weights" / "config.json").exists():  # the folder of a training run
        return Path(name) / "weights"
    if Path(name).is_dir():
        return Path(name)
    known = ", ".join(folders) or "none"
    raise WeightsError(f"weights {name!r} are unknown; give a folder, or one of those shipped: {known}")


def read_config(folder: Path) -> dict[str, Any]:
    """The `config.json` of a weights folder. WeightsError if it is missing or damaged."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        _refuse_other_kinds(config)
    except OSError as error:
        raise WeightsError(
            f"{folder}: config.json cannot be read ({error.strerror}); is it a weights folder?"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{folder}/config.json: damaged ({error}); install the weights again") from error
    assert isinstance(config, dict)
    return config


def _refuse_other_kinds(config: dict[str, Any]) -> None:
    """TypeError or KeyError unless what everyone relies on is there and of its kind."""
    for key, kind in {"network": str, "sha256": str, "config": dict}.items():
        if not isinstance(config[key], kind):
            raise TypeError(f"{key} is {config[key]!r}")
    for key in ("sampling", "training"):
        if not isinstance(config.get(key, {}), dict):
            raise TypeError(f"{key} is {config[key]!r}")


def load(name: str | Path = DEFAULT, device: torch.device | str = "cpu") -> Weights:
    """The weights of that name or folder, on the device, in evaluation mode.

    Raises WeightsError, in one line, for an unknown name, a missing or damaged file, a hash that differs from the
    config's, and tensors that do not fit the network.
    """
    folder = find(name)
    config = read_config(folder)
    tensors = _verified(folder / TENSORS, config["sha256"])
    torsions = _torsions(folder, config.get("torsions_sha256"))
    try:
        with torch.device("meta"):  # takes no random numbers, which belong to the caller
            denoiser = Denoiser(config["network"], **config["config"])
        with torch.device("cpu"):  # whatever the caller's default
            state = {key: value.to(torch.float32, copy=True) for key, value in load_tensors(tensors).items()}
        denoiser.load_state_dict(state, assign=True)
    except (SafetensorError, RuntimeError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(f"{folder}: weights do not fit the network {config['network']!r} ({reason})") from error
    denoiser = denoiser.to(device).eval().requires_grad_(False)
    samples = config.get("training", {}).get("samples", 0)
    home = folder.resolve()
    own = home.parent.name if home.name == "weights" else home.name  # of a run they are called by that
    return Weights(denoiser, own, config["sha256"], config.get("sampling", {}), torsions, samples)


def _verified(file: Path, sha256: str) -> bytes:
    """What is in a file of a weights folder. Raises WeightsError if its hash is another."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise WeightsError(f"{file}: cannot be read ({error.strerror}); install the weights again") from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != sha256:
        raise WeightsError(f"{file}: sha256 is {digest[:12]}..., not {sha256[:12]}... as its config says; "
                           "the file is damaged or was exchanged, install the weights again")  # fmt: skip
    return data


def _torsions(folder: Path, sha256: str | None) -> TorsionLibrary | None:
    if sha256 is None:
        return None
    try:
        return TorsionLibrary.from_bytes(_verified(folder / TORSIONS, sha256))
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"{folder / TORSIONS}: no library of torsions ({error}); install the weights again"
        ) from error


def save(
    folder: Path,
    denoiser: Denoiser,
    state: Mapping[str, Tensor],
    sampling: dict[str, Any],
    training: dict[str, Any],
    torsions: TorsionLibrary | None = None,
) -> None:
    """Writes a weights folder: the tensors of `state` as float16, and the config of `denoiser` beside them.

    All files are on the disk before the first of them takes its place.
    training: what the model card and `confgen weights show` tell of the run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = save_tensors({key: value.detach().cpu().half().contiguous() for key, value in state.items()})
    files = {TENSORS: tensors}
    config = {
        "network": denoiser.name,
        "config": vars(denoiser.network.config),
        "sampling": sampling,
        "training": training,
        "parameters": sum(value.numel() for value in state.values()),
        "sha256": hashlib.sha256(tensors).hexdigest(),
    }
    if torsions is not None:
        files[TORSIONS] = torsions.to_bytes()
        config["torsions_sha256"] = hashlib.sha256(files[TORSIONS]).hexdigest()
    files["config.json"] = (json.dumps(config, indent=2) + "\n").encode()
    for name, data in files.items():
        (folder / f"{name}.tmp").write_bytes(data)
    for name in files:
        (folder / f"{name}.tmp").replace(folder / name)


def networks() -> list[str]:
    """Names of the networks that a training config may ask for."""
    return sorted(models.REGISTRY)
