"""A tokenizer and a tiny untrained model; these tests need the extra `train`."""

import random

import pytest

for needed in ("torch", "tokenizers", "gguf"):  # without one of them this whole folder is skipped
    pytest.importorskip(needed, reason="needs the extra ttscale[train]")

import torch  # noqa: E402

from ttscale.training.tiny.model import Reasoner, Shape  # noqa: E402
from ttscale.training.tiny.tokenizer import train_tokenizer  # noqa: E402
from ttscale.worlds.arithmetic.training_documents import document  # noqa: E402


@pytest.fixture(scope="session")
def tokenizer():
    rng = random.Random(0)
    made = [document(rng, 0.5) for _ in range(300)]
    return train_tokenizer([f"{d.system}\n{d.user}\n{d.reply}" for d in made], 480)


@pytest.fixture(scope="session")
def model(tokenizer):
    torch.manual_seed(0)
    shape = Shape(vocab=tokenizer.get_vocab_size(), width=32, layers=2, heads=2, inner=48)
    made = Reasoner(shape)
    with torch.no_grad():  # far from uniform, so that greedy replies differ from prompt to prompt
        made.model.embed_tokens.weight.mul_(20)
    return made.eval()
