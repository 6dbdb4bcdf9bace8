# Small networks as PyTorch exports them (opset 13), with an input and what PyTorch gives for it, into a folder: for each
# NAME the files NAME.onnx, NAME.x.f32, NAME.y.f32. Weights, and the statistics of batch-norm, are random by a fixed seed.
#
#   net      a residual net, batch-norm folded into its convolutions    (n, 3, 16, 16) -> (n, 10)
#   bn       the same net with batch-norm as operators of its own, batch 2 fixed
#   map      its feature map before pooling                             -> (n, 8, 4, 4)
#   tokens   a class token and 16 patch tokens                          -> (n, 17, 8)
#   nhwc     channels last, as TensorFlow has them                      (n, 16, 16, 3) -> (n, 8)
#   gelu     an operator (Erf) that no plain convolutional net has      -> (n, 8)
#   two      two inputs, of which one is an integer                     -> (n, 8)
#
# SPDX-License-Identifier: Apache-2.0
import sys
import warnings

import torch
import torch.nn as nn
import torch.nn.functional as F

warnings.filterwarnings("ignore")
torch.set_num_threads(1)
torch.manual_seed(7)
folder = sys.argv[1]


class Map(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.a, self.b = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        for bn in (self.bn, self.b):
            nn.init.normal_(bn.running_mean, 0, 0.3)
            nn.init.uniform_(bn.running_var, 0.5, 2)
            nn.init.uniform_(bn.weight, 0.5, 1.5)
            nn.init.normal_(bn.bias)

    def forward(self, x):
        x = self.pool(F.relu(self.bn(self.stem(x))))
        return F.relu(self.b(self.a(x)) + x)


class Net(Map):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        return self.head(torch.flatten(F.adaptive_avg_pool2d(super().forward(x), 1), 1))


class Tokens(Map):
    def forward(self, x):
        patches = torch.flatten(super().forward(x), 2).transpose(1, 2)
        return torch.cat([3 * patches.mean(1, keepdim=True), patches], 1)


class Nhwc(Map):
    def forward(self, x):
        return super().forward(x.permute(0, 3, 1, 2)).mean((2, 3))


class Gelu(Map):
    def forward(self, x):
        return F.gelu(super().forward(x)).mean((2, 3))


class Two(Map):
    def forward(self, x, shift):
        return super().forward(x).mean((2, 3)) + shift


def export(name, net, x, more=(), **options):
    net.eval()
    arguments = (x, *more)
    with torch.no_grad():
        y = net(*arguments)
    torch.onnx.export(net, arguments, f"{folder}/{name}.onnx", opset_version=13, input_names=["pixels", "shift"][: len(arguments)],
                      output_names=["features"], **options)
    x.numpy().tofile(f"{folder}/{name}.x.f32")
    y.contiguous().numpy().tofile(f"{folder}/{name}.y.f32")


def any_batch():
    return {"dynamic_axes": {"pixels": {0: "n"}, "features": {0: "n"}}}


x = torch.rand(3, 3, 16, 16)
export("net", Net(), x, **any_batch())
export("bn", Net(), x[:2], do_constant_folding=False, training=torch.onnx.TrainingMode.PRESERVE)
export("map", Map(), x, **any_batch())
export("tokens", Tokens(), x, **any_batch())
export("nhwc", Nhwc(), torch.rand(3, 16, 16, 3), **any_batch())
export("gelu", Gelu(), x, **any_batch())
export("two", Two(), x, (torch.tensor([1]),), **any_batch())
