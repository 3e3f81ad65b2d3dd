"""Inputs of records as tests write them, and what is read from them in short."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

from rdkit import Chem

from confgen.readers import Record, read_records


def written(name: str, content: str | bytes) -> str:
    data = content if isinstance(content, bytes) else content.encode()
    Path(name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return name


def give_stdin(monkeypatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(content))))


def smiles(record: Record) -> str | None:
    return record.mol and Chem.MolToSmiles(Chem.RemoveHs(record.mol))


def summary(*sources: str, **columns: str) -> list[tuple[str | None, str, str]]:
    return [(smiles(record), record.name, record.origin) for record in read_records(sources, **columns)]
