# PyTorch (Debian's python3-torch) at the work of bench/bench_train.c; torchvision is not in Debian, so its ResNet is written
# out here.
#
#   peer_train.py train NAME PX BATCH f32|bf16 SECONDS     a SimCLR step: two views of each tile, made before (no augmentation)
#   peer_train.py net NAME PX BATCH f32|bf16 SECONDS       inference, traced and frozen
#   peer_train.py export NAME PX FILE.onnx                 the same net, for ONNX Runtime and for akin
#
# Two threads, channels_last. Prints one line: pictures (views) a second, CPU-seconds, pictures.
#
# SPDX-License-Identifier: Apache-2.0
import sys
import time
import warnings

import torch
import torch.nn as nn
import torch.nn.functional as F

warnings.filterwarnings("ignore")
torch.set_num_threads(2)
torch.manual_seed(1)
PRESETS = {"r10h": (3, 32, 1, False), "r18h": (3, 32, 2, False), "r18": (7, 64, 2, True)}


class Block(nn.Module):
    def __init__(self, there, out, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(there, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride > 1:
            self.downsample = nn.Sequential(nn.Conv2d(there, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


def backbone(name):
    stem, width, blocks, max_pool = PRESETS[name]
    layers = [nn.Conv2d(3, width, stem, 2, stem // 2, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    if max_pool:
        layers.append(nn.MaxPool2d(3, 2, 1))
    there = width
    for stage in range(4):
        for block in range(blocks):
            out = width << stage
            layers.append(Block(there, out, 2 if stage and not block else 1))
            there = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), there


def nt_xent(z, temperature=0.2):
    n = len(z)
    u = F.normalize(z.float(), dim=1)
    s = (u @ u.T / temperature).masked_fill(torch.eye(n, dtype=torch.bool), float("-inf"))
    return F.cross_entropy(s, (torch.arange(n) + n // 2) % n)


def timed(work, pictures, seconds):
    work()
    began, cpu, count = time.perf_counter(), time.process_time(), 0
    while count < 1 or time.perf_counter() - began < seconds:
        work()
        count += 1
    wall = time.perf_counter() - began
    print(count * pictures / wall, time.process_time() - cpu, count * pictures)


def train(name, px, batch, dtype, seconds):
    body, out = backbone(name)
    net = nn.Sequential(body, nn.Linear(out, 512, bias=False), nn.BatchNorm1d(512), nn.ReLU(inplace=True),
                        nn.Linear(512, 128, bias=False)).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.01)
    x = torch.randn(2 * batch, 3, px, px).contiguous(memory_format=torch.channels_last)

    def step():
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == "bf16"):
            z = net(x)
        nt_xent(z).backward()
        optimiser.step()

    timed(step, 2 * batch, seconds)


def infer(name, px, batch, dtype, seconds):
    net = backbone(name)[0].eval().to(memory_format=torch.channels_last)
    x = torch.randn(batch, 3, px, px).contiguous(memory_format=torch.channels_last)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == "bf16", cache_enabled=False):
        traced = torch.jit.freeze(torch.jit.trace(net, x))
        traced(x)
        timed(lambda: traced(x), batch, seconds)


def export(name, px, path):
    net = backbone(name)[0].eval()
    torch.onnx.export(net, torch.randn(1, 3, px, px), path, opset_version=13, input_names=["pixels"],
                      output_names=["features"], dynamic_axes={"pixels": {0: "n"}, "features": {0: "n"}})


kind, name, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
if kind == "export":
    export(name, size, sys.argv[4])
else:
    {"train": train, "net": infer}[kind](name, size, int(sys.argv[4]), sys.argv[5], float(sys.argv[6]))
