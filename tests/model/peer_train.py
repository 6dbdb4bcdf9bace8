# PyTorch on the net of src/model/arch.h, from the numbers that tests/model/test_peer_train.c left in a folder:
#
#   table.txt       a line a tensor: NAME OFFSET DIM...          parameters.f32, statistics.f32: the flat vectors
#   peer_train.py FOLDER steps TEMPERATURE DECAY BETA1 BETA2     x.f32 (STEPS, VIEWS, bands, px, px), rate.f64 and
#                                                                momentum.f64 (STEPS) -> loss.f64 (STEPS)
#   peer_train.py FOLDER features                                x.f32 (N, bands, px, px) -> features.f32 (N, size)
#
# SPDX-License-Identifier: Apache-2.0
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
folder, kind = sys.argv[1], sys.argv[2]


def read(name, dtype=np.float32):
    return torch.from_numpy(np.fromfile(folder + "/" + name, dtype))


class Block(nn.Module):
    def __init__(self, shapes, name, stride):
        super().__init__()
        for i in 1, 2:
            out, there = shapes[f"{name}.conv{i}.weight"][:2]
            self.add_module(f"conv{i}", nn.Conv2d(there, out, 3, stride if i == 1 else 1, 1, bias=False))
            self.add_module(f"bn{i}", nn.BatchNorm2d(out))
        self.downsample = None
        if f"{name}.downsample.0.weight" in shapes:
            out, there = shapes[f"{name}.downsample.0.weight"][:2]
            self.downsample = nn.Sequential(nn.Conv2d(there, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class Net(nn.Module):
    def __init__(self, shapes, max_pool):
        super().__init__()
        out, bands, k, _ = shapes["conv1.weight"]
        self.conv1, self.bn1 = nn.Conv2d(bands, out, k, 2, k // 2, bias=False), nn.BatchNorm2d(out)
        self.max_pool = max_pool
        for stage in 1, 2, 3, 4:
            count = len([n for n in shapes if n.startswith(f"layer{stage}.") and n.endswith("conv1.weight")])
            strides = [1 if stage == 1 or b else 2 for b in range(count)]
            blocks = [Block(shapes, f"layer{stage}.{b}", s) for b, s in enumerate(strides)]
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
        hidden, last = shapes["head.0.weight"]
        self.head = nn.Sequential(nn.Linear(last, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(),
                                  nn.Linear(hidden, shapes["head.3.weight"][0], bias=False))

    def maps(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.max_pool2d(x, 3, 2, 1) if self.max_pool else x
        out = []
        for stage in self.layer1, self.layer2, self.layer3, self.layer4:
            x = stage(x)
            out.append(x)
        return out

    def forward(self, x):
        return self.head(self.maps(x)[-1].mean((2, 3)))


def load():
    shapes, state = {}, {}
    vectors = read("parameters.f32"), read("statistics.f32")
    for line in open(folder + "/table.txt"):
        name, offset, *dims = line.split()
        shapes[name] = [int(d) for d in dims]
        count = int(np.prod(shapes[name]))
        vector = vectors["running_" in name]
        state[name] = vector[int(offset):int(offset) + count].clone().view(shapes[name])
    net = Net(shapes, shapes["conv1.weight"][2] == 7)
    missing, unexpected = net.load_state_dict(state, strict=False)
    assert not unexpected and all(n.endswith("num_batches_tracked") for n in missing), (missing, unexpected)
    return net, shapes["conv1.weight"][1]


def nt_xent(z, temperature):
    n = len(z)
    u = F.normalize(z, dim=1)
    s = (u @ u.T / temperature).masked_fill(torch.eye(n, dtype=torch.bool), -1e30)
    return F.cross_entropy(s, (torch.arange(n) + n // 2) % n)


def run_steps(temperature, decay, beta1, beta2):
    net, bands = load()
    rates, momenta = read("rate.f64", np.float64), read("momentum.f64", np.float64)
    x = read("x.f32")
    px = int(read("px.i32", np.int32)[0])
    x = x.view(len(rates), -1, bands, px, px)
    weights = [p for p in net.parameters() if p.dim() > 1]
    others = [p for p in net.parameters() if p.dim() == 1]
    optimiser = torch.optim.AdamW([{"params": weights, "weight_decay": decay}, {"params": others, "weight_decay": 0}],
                                  betas=(beta1, beta2), eps=1e-8)
    losses = []
    for step, rate in enumerate(rates.tolist()):
        for group in optimiser.param_groups:
            group["lr"] = rate
        for module in net.modules():
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                module.momentum = momenta[step].item()
        loss = nt_xent(net(x[step]), temperature)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    np.array(losses, np.float64).tofile(folder + "/loss.f64")


def run_features():
    net, bands = load()
    px = int(read("px.i32", np.int32)[0])
    net.eval()
    with torch.no_grad():
        maps = net.maps(read("x.f32").view(-1, bands, px, px))
    parts = [maps[1].mean((2, 3))]
    for m in maps[2:]:
        parts += [m.mean((2, 3)), m.var((2, 3), unbiased=False).sqrt()]
    torch.cat(parts, 1).contiguous().numpy().tofile(folder + "/features.f32")


if kind == "steps":
    run_steps(*[float(a) for a in sys.argv[3:]])
else:
    run_features()
