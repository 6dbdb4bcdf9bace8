# PyTorch's own losses and optimisers on the numbers that a test of tests/model left in a folder; what comes out is
# left beside them, raw. The C side is peer.h.
#
#   peer_loss.py FOLDER ntxent|dcl|vicreg ROWS DIM TEMPERATURE    z.f32 -> loss.f64, dz.f32
#   peer_loss.py FOLDER adamw|sgd STEPS RATE DECAY MOMENTUM BETA2 p.f32, g.f32 (STEPS, count), decay.u8 -> p_out.f32
#
# SPDX-License-Identifier: Apache-2.0
import sys

import numpy as np
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
folder, kind = sys.argv[1], sys.argv[2]


def read(name, dtype=np.float32):
    return torch.from_numpy(np.fromfile(folder + "/" + name, dtype))


def write(name, tensor):
    tensor.detach().numpy().tofile(folder + "/" + name)


def contrastive(z, temperature):
    n = len(z)
    u = F.normalize(z, dim=1)
    s = u @ u.T / temperature
    other = (torch.arange(n) + n // 2) % n
    out = torch.eye(n, dtype=torch.bool)
    if kind == "ntxent":
        return F.cross_entropy(s.masked_fill(out, -1e30), other)
    out[torch.arange(n), other] = True
    return (torch.logsumexp(s.masked_fill(out, -1e30), 1) - s[torch.arange(n), other]).mean()


# As in the authors' own code (facebookresearch/vicreg, main_vicreg.py).
def vicreg(z):
    x, y = z.chunk(2)
    n, dim = x.shape
    loss = 25 * F.mse_loss(x, y)
    x, y = x - x.mean(0), y - y.mean(0)
    for v in x, y:
        loss = loss + 25 * torch.relu(1 - torch.sqrt(v.var(0) + 1e-4)).mean() / 2
        c = v.T @ v / (n - 1)
        loss = loss + (c.pow(2).sum() - c.diagonal().pow(2).sum()) / dim
    return loss


def run_loss(rows, dim, temperature):
    z = read("z.f32").view(int(rows), int(dim)).double().requires_grad_()
    loss = vicreg(z) if kind == "vicreg" else contrastive(z, float(temperature))
    loss.backward()
    write("loss.f64", loss.reshape(1))
    write("dz.f32", z.grad.float())


def run_optimiser(steps, rate, decay, momentum, beta2):
    start, mask = read("p.f32"), read("decay.u8", np.uint8).bool()
    gradients = read("g.f32").view(int(steps), -1)
    parts = [start[mask].clone().requires_grad_(), start[~mask].clone().requires_grad_()]
    groups = [{"params": [parts[0]], "weight_decay": float(decay)}, {"params": [parts[1]], "weight_decay": 0}]
    if kind == "adamw":
        optimiser = torch.optim.AdamW(groups, lr=float(rate), betas=(float(momentum), float(beta2)), eps=1e-8)
    else:
        optimiser = torch.optim.SGD(groups, lr=float(rate), momentum=float(momentum))
    for g in gradients:
        parts[0].grad, parts[1].grad = g[mask].clone(), g[~mask].clone()
        optimiser.step()
    start[mask], start[~mask] = parts[0].detach(), parts[1].detach()
    write("p_out.f32", start)


if kind in ("adamw", "sgd"):
    run_optimiser(*sys.argv[3:])
else:
    run_loss(*sys.argv[3:])
