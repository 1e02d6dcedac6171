"""The results that are sent: the same bytes in every run, and never a large file in memory."""

from __future__ import annotations

import io
import pickle
import random
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_BLOCK = 1 << 20
_LARGE = 256 * _BLOCK
_SEED = 20_250_219


@dataclass(frozen=True)
class Sample:
    """One file: how it is called, its size in bytes, and how to produce its content, each time anew."""

    name: str
    what: str
    size: int
    chunks: Callable[[], Iterator[bytes]]


def samples() -> tuple[Sample, Sample, Sample]:
    """A trained model as Python pickles it, a table, and a file too large to be held in memory."""
    return (
        _held("model.pkl", "a pickled model", _model()),
        _held("coefficients.csv", "a table", _table(_SEED)),
        Sample("embeddings.bin", "a large file, produced while it is sent", _LARGE, _random_blocks),
    )


def small_result() -> Sample:
    """What is sent while the hub is away."""
    return _held("survival.csv", "a table", _table(_SEED + 1))


def _held(name: str, what: str, content: bytes) -> Sample:
    return Sample(name, what, len(content), lambda: iter([content]))


def _model() -> bytes:
    """The weights of a small neural network, about 4 MB."""
    draw = random.Random(_SEED)  # noqa: S311  a demonstration needs repeatable numbers, not secret ones
    shapes = {"input": (512, 640), "hidden": (640, 256), "output": (256, 10)}
    layers = {
        name: {
            "shape": shape,
            "weights": array("d", (draw.gauss(0, 0.05) for _ in range(shape[0] * shape[1]))),
        }
        for name, shape in shapes.items()
    }
    return pickle.dumps({"layers": layers, "epochs": 12, "loss": 0.318}, protocol=5)


def _table(seed: int) -> bytes:
    draw = random.Random(seed)  # noqa: S311  see above
    out = io.StringIO()
    out.write("feature,coefficient,standard_error\n")
    for number in range(400):
        out.write(f"feature_{number:03},{draw.gauss(0, 1):.6f},{draw.uniform(0.01, 0.2):.6f}\n")
    return out.getvalue().encode()


def _random_blocks() -> Iterator[bytes]:
    """The key stream of AES-256-CTR under a fixed key: incompressible, and faster than any network."""
    stream = Cipher(algorithms.AES(_SEED.to_bytes(32)), modes.CTR(bytes(16))).encryptor()
    zeros = bytes(_BLOCK)
    for _ in range(_LARGE // _BLOCK):
        yield stream.update(zeros)
