"""Muon: momentum whose update is made orthogonal, for the matrices inside a network.

Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/. Matrices of one shape are treated
together: on a CPU many small products, one by one, would take longer than the backward pass.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from .precision import multiplies_bfloat16

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic iteration, from the reference code


def orthogonal(g: Tensor, steps: int = 5) -> Tensor:
    """About U V^T of each G = U S V^T; g is (matrices, rows, columns)."""
    a, b, c = COEFFICIENTS
    x = g.transpose(1, 2) if g.shape[1] > g.shape[2] else g
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    if multiplies_bfloat16(x.device):
        x = x.bfloat16()
    for _ in range(steps):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return (x.transpose(1, 2) if g.shape[1] > g.shape[2] else x).to(g.dtype)


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised; a tall matrix steps sqrt(rows / columns) as far."""

    def __init__(
        self, params: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.01
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """One step; the closure of torch's signature is not called."""
        for group in self.param_groups:
            lr, momentum = group["lr"], group["momentum"]
            by_shape: dict[torch.Size, list[tuple[Tensor, Tensor]]] = {}  # (parameter, gradient)
            for p in group["params"]:
                if p.grad is not None:
                    by_shape.setdefault(p.shape, []).append((p, p.grad))
            for (rows, columns), params in by_shape.items():
                updates = []
                for p, gradient in params:
                    buffer = self.state[p].setdefault("momentum_buffer", torch.zeros_like(p))
                    buffer.lerp_(gradient, 1 - momentum)
                    updates.append(gradient.lerp(buffer, momentum))
                scale = lr * max(1.0, rows / columns) ** 0.5
                for (p, _), update in zip(params, orthogonal(torch.stack(updates)), strict=True):
                    p.mul_(1 - lr * group["weight_decay"]).sub_(update, alpha=scale)
