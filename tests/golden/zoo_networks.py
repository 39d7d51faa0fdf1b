"""Networks of the zoo in PyTorch, written from their papers (and torchvision's or Keras's forms where
the zoo says so), on weights and images that C makes alike: tests/support/zoo_problem.h."""

import math

import numpy as np
import torch
import torch.nn.functional as F


def mix(x):
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(0x7FEB352D)
    x = x ^ (x >> np.uint32(15))
    x = x * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def values(stream, count):
    """2 u - 1 for elements 0, 1, ...; exact in f32."""
    with np.errstate(over="ignore"):
        key = mix(np.array([stream], np.uint32) + np.uint32(0x9E3779B9))
        u = (mix(np.arange(count, dtype=np.uint32) ^ key) >> np.uint32(8)) * 2.0**-24
    return 2 * u - 1


def stream_of(path):
    """FNV-1a, 32 bits."""
    number = 2166136261
    for byte in path.encode():
        number = (number ^ byte) * 16777619 % 2**32
    return number


class Network:
    """Variables by path, made when first asked for; images are (n, c, height, width) inside."""

    def __init__(self, dtype, stored):
        self.dtype, self.stored, self.variables = dtype, stored, {}

    def variable(self, path, *shape):
        count = math.prod(shape)
        kind = path.split("/")[-1]
        last = "/bn3/" in path  # of a bottleneck
        shift = {"gamma": 0.1 if last else 1.0, "beta": 0.0 if last else 3.0}.get(kind, 0.0)
        scale = math.sqrt(6 / (count // shape[-1])) if kind == "kernel" else 0.1
        if kind == "gamma":
            scale = shift / 5
        numbers = shift + scale * values(stream_of(path), count)
        tensor = torch.tensor(numbers.reshape(shape)).to(self.stored).to(self.dtype)
        self.variables[path] = tensor.requires_grad_()
        return tensor

    def conv(self, x, path, filters, size, stride=1, pad=None, groups=1, dilation=1, bias=False):
        """pad: None for size / 2, or [left, right, top, bottom]"""
        kernel = self.variable(path + "/kernel", size, size, x.shape[1] // groups, filters)
        offset = self.variable(path + "/bias", filters) if bias else None
        if isinstance(pad, list):
            x, pad = F.pad(x, pad), 0
        pad = size // 2 * dilation if pad is None else pad
        return F.conv2d(x, kernel.permute(3, 2, 0, 1), offset, stride, pad, dilation, groups)

    def norm(self, x, path, epsilon=1e-5):
        gamma = self.variable(path + "/gamma", x.shape[1])
        beta = self.variable(path + "/beta", x.shape[1])
        return F.batch_norm(x, None, None, gamma, beta, True, 0.1, epsilon)

    def dense(self, x, path, units):
        kernel = self.variable(path + "/kernel", x.shape[1], units)
        return F.linear(x, kernel.t(), self.variable(path + "/bias", units))

    def classify(self, x, classes):
        return self.dense(x.mean((2, 3)), "head", classes)


def flatten(x):
    """In the order of height, width, channels."""
    return x.permute(0, 2, 3, 1).flatten(1)


def local_response(x, size, alpha, beta, k):
    """alpha multiplies the sum, as in the paper; PyTorch's the mean."""
    return F.local_response_norm(x, size, alpha * size, beta, k)


# ---- without shortcuts --------------------------------------------------------------------------


def lenet5(net, x, classes):
    x = F.avg_pool2d(torch.tanh(net.conv(x, "body/c1", 6, 5, bias=True)), 2)
    x = F.avg_pool2d(torch.tanh(net.conv(x, "body/c3", 16, 5, pad=0, bias=True)), 2)
    x = torch.tanh(net.dense(flatten(x), "body/c5", 120))
    return net.dense(torch.tanh(net.dense(x, "body/f6", 84)), "head", classes)


# filters, size, stride, pad, groups, response, pool
ALEXNET = {
    "alexnet": [(96, 11, 4, [1, 2, 1, 2], 1, True, True), (256, 5, 1, 2, 2, True, True),
                (384, 3, 1, 1, 1, False, False), (384, 3, 1, 1, 2, False, False),
                (256, 3, 1, 1, 2, False, True)],
    "alexnet_single_column": [(64, 11, 4, 2, 1, False, True), (192, 5, 1, 2, 1, False, True),
                              (384, 3, 1, 1, 1, False, False), (256, 3, 1, 1, 1, False, False),
                              (256, 3, 1, 1, 1, False, True)],
}


def alexnet(net, x, classes, name):
    for i, (filters, size, stride, pad, groups, response, pool) in enumerate(ALEXNET[name]):
        path = "body/block%d/conv" % (i + 1)
        x = F.relu(net.conv(x, path, filters, size, stride, pad, groups, bias=True))
        if response:
            x = local_response(x, 5, 1e-4, 0.75, 2)
        if pool:
            x = F.max_pool2d(x, 3, 2)
    x = F.relu(net.dense(flatten(x), "body/fc6", 4096))
    return net.dense(F.relu(net.dense(x, "body/fc7", 4096)), "head", classes)


VGG = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def vgg(net, x, classes, name):
    layers, normalized = int(name.split("_")[0][3:]), name.endswith("_bn")
    for stage, (count, filters) in enumerate(zip(VGG[layers], (64, 128, 256, 512, 512))):
        for i in range(count):
            path = "body/block%d/%d/" % (stage + 1, i + 1)
            x = net.conv(x, path + "conv", filters, 3, bias=True)
            x = F.relu(net.norm(x, path + "norm") if normalized else x)
        x = F.max_pool2d(x, 2)
    x = F.relu(net.dense(flatten(x), "body/fc6", 4096))
    return net.dense(F.relu(net.dense(x, "body/fc7", 4096)), "head", classes)


INCEPTION = [("3a", 64, 96, 128, 16, 32, 32), ("3b", 128, 128, 192, 32, 96, 64),
             ("4a", 192, 96, 208, 16, 48, 64), ("4b", 160, 112, 224, 24, 64, 64),
             ("4c", 128, 128, 256, 24, 64, 64), ("4d", 112, 144, 288, 32, 64, 64),
             ("4e", 256, 160, 320, 32, 128, 128), ("5a", 256, 160, 320, 32, 128, 128),
             ("5b", 384, 192, 384, 48, 128, 128)]


def googlenet(net, x, classes, name):
    published = name == "googlenet_2014"

    def conv(x, path, filters, size, stride=1):
        path = "body/" + path
        if published:
            return F.relu(net.conv(x, path + "/conv", filters, size, stride, bias=True))
        return F.relu(net.norm(net.conv(x, path + "/conv", filters, size, stride), path + "/norm",
                               1e-3))

    def response(x):
        return local_response(x, 5, 2e-5, 0.75, 1) if published else x

    x = response(F.max_pool2d(conv(x, "conv1", 64, 7, 2), 3, 2, ceil_mode=True))
    x = response(conv(conv(x, "conv2", 64, 1), "conv3", 192, 3))
    x = F.max_pool2d(x, 3, 2, ceil_mode=True)
    for block, one, reduce_three, three, reduce_five, five, pool in INCEPTION:
        x = torch.cat([
            conv(x, block + "/branch1", one, 1),
            conv(conv(x, block + "/branch2_reduce", reduce_three, 1), block + "/branch2", three, 3),
            conv(conv(x, block + "/branch3_reduce", reduce_five, 1), block + "/branch3", five,
                 5 if published else 3),
            conv(F.max_pool2d(x, 3, 1, 1), block + "/branch4", pool, 1)], 1)
        if block in ("3b", "4e"):
            x = F.max_pool2d(x, 2 if block == "4e" and not published else 3, 2, ceil_mode=True)
    return net.classify(x, classes)


# first layer's filters and size; before which fire modules the maps are halved
SQUEEZENET = {"squeezenet": (96, 7, (2, 5, 9)), "squeezenet1_1": (64, 3, (2, 4, 6))}


def squeezenet(net, x, classes, name):
    filters, size, pools = SQUEEZENET[name]
    x = F.relu(net.conv(x, "body/conv1", filters, size, 2, 0, bias=True))
    for fire in range(2, 10):
        if fire in pools:
            x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        path, squeeze = "body/fire%d/" % fire, 16 * (fire // 2)
        x = F.relu(net.conv(x, path + "squeeze", squeeze, 1, bias=True))
        x = torch.cat([F.relu(net.conv(x, path + "expand1", 4 * squeeze, 1, bias=True)),
                       F.relu(net.conv(x, path + "expand3", 4 * squeeze, 3, bias=True))], 1)
    return F.relu(net.conv(x, "head", classes, 1, bias=True)).mean((2, 3))


# ---- with shortcuts -----------------------------------------------------------------------------

RESNET = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3),
          "resnet101": (3, 4, 23, 3), "resnet152": (3, 8, 36, 3)}


def residual_branch(net, x, path, filters, stride, dilation, bottleneck):
    def normed(x, number, filters, size, stride=1, dilation=1):
        x = net.conv(x, "%sconv%d" % (path, number), filters, size, stride, dilation=dilation)
        return net.norm(x, "%sbn%d" % (path, number))

    if bottleneck:
        y = F.relu(normed(x, 1, filters, 1))
        y = F.relu(normed(y, 2, filters, 3, stride, dilation))
        return normed(y, 3, 4 * filters, 1)
    y = F.relu(normed(x, 1, filters, 3, stride, dilation))
    return normed(y, 2, filters, 3, 1, dilation)


def residual(net, x, path, filters, stride, bottleneck, dilation=1):
    y = residual_branch(net, x, path, filters, stride, dilation, bottleneck)
    if y.shape != x.shape:
        x = net.conv(x, path + "downsample/conv", y.shape[1], 1, stride)
        x = net.norm(x, path + "downsample/norm")
    return F.relu(x + y)


def resnet(net, x, classes, name):
    x = F.relu(net.norm(net.conv(x, "body/conv1", 64, 7, 2), "body/bn1"))
    x = F.max_pool2d(x, 3, 2, 1)
    for level, count in enumerate(RESNET[name]):
        for i in range(count):
            x = residual(net, x, "body/layer%d/%d/" % (level + 1, i), 64 << level,
                         2 if level > 0 and i == 0 else 1, int(name[6:]) >= 50)
    return net.classify(x, classes)


def cifar_resnet(net, x, classes, name):
    """Option A: every second position, new channels zero on both sides."""
    x = F.relu(net.norm(net.conv(x, "body/conv1", 16, 3), "body/bn1"))
    for level in range(3):
        for i in range((int(name[6:]) - 2) // 6):
            stride = 2 if level > 0 and i == 0 else 1
            path = "body/layer%d/%d/" % (level + 1, i)
            y = residual_branch(net, x, path, 16 << level, stride, 1, False)
            side = (y.shape[1] - x.shape[1]) // 2
            x = F.relu(y + F.pad(x[:, :, ::stride, ::stride], [0, 0, 0, 0, side, side]))
    return net.classify(x, classes)


def preact_resnet(net, x, classes, name):
    """He et al. 2016 as Keras has it: the last block of a level halves."""
    counts = RESNET[name[:-3]]

    def ready(x, path):
        return F.relu(net.norm(x, path, 1.001e-5))

    x = F.max_pool2d(net.conv(x, "body/conv1", 64, 7, 2, bias=True), 3, 2, 1)
    for level, count in enumerate(counts):
        for i in range(count):
            filters, path = 64 << level, "body/layer%d/%d/" % (level + 1, i)
            stride = 2 if level < 3 and i == count - 1 else 1
            before = ready(x, path + "bn1")
            y = ready(net.conv(before, path + "conv1", filters, 1), path + "bn2")
            y = ready(net.conv(y, path + "conv2", filters, 3, stride), path + "bn3")
            y = net.conv(y, path + "conv3", 4 * filters, 1, bias=True)
            if i == 0:
                x = net.conv(before, path + "shortcut", 4 * filters, 1, stride, bias=True)
            else:
                x = x[:, :, ::stride, ::stride]
            x = x + y
    return net.classify(ready(x, "body/bn"), classes)


def drn_c_26(net, x, classes, name):
    """Yu, Koltun, Funkhouser 2017, figure 5: form C; the last two levels have no shortcuts."""
    x = F.relu(net.norm(net.conv(x, "body/conv1", 16, 7), "body/bn1"))
    rows = zip((16, 32, 64, 128, 256, 512, 512, 512), (1, 1, 2, 2, 2, 2, 1, 1),
               (1, 2, 2, 2, 1, 1, 1, 1), (1, 1, 1, 1, 2, 4, 2, 1))
    for level, (filters, count, stride, dilation) in enumerate(rows):
        for i in range(count):
            path = "body/layer%d/%d/" % (level + 1, i)
            if level > 5:
                x = F.relu(residual_branch(net, x, path, filters, 1, dilation, False))
            else:
                x = residual(net, x, path, filters, stride if i == 0 else 1, False, dilation)
    return net.classify(x, classes)


def densenet121(net, x, classes, name):
    x = F.relu(net.norm(net.conv(x, "body/conv0", 64, 7, 2), "body/norm0"))
    x = F.max_pool2d(x, 3, 2, 1)
    for block, count in enumerate((6, 12, 24, 16)):
        for i in range(count):
            path = "body/block%d/%d/" % (block + 1, i + 1)
            y = net.conv(F.relu(net.norm(x, path + "norm1")), path + "conv1", 128, 1)
            y = net.conv(F.relu(net.norm(y, path + "norm2")), path + "conv2", 32, 3)
            x = torch.cat([x, y], 1)
        if block < 3:
            path = "body/transition%d/" % (block + 1)
            x = net.conv(F.relu(net.norm(x, path + "norm")), path + "conv", x.shape[1] // 2, 1)
            x = F.avg_pool2d(x, 2)
    return net.classify(F.relu(net.norm(x, "body/norm5")), classes)


# widening, filters, blocks, stride
MOBILENET_V2 = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                (6, 160, 3, 2), (6, 320, 1, 1)]
# stride, filters
MOBILENET = [(1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512), (1, 512), (1, 512), (1, 512),
             (1, 512), (1, 512), (2, 1024), (1, 1024)]


def mobile_conv(net, x, path, filters, size=1, stride=1, depthwise=False):
    groups = x.shape[1] if depthwise else 1
    x = net.conv(x, path + "/conv", filters, size, stride, groups=groups)
    return F.relu6(net.norm(x, path + "/norm"))


def mobilenet(net, x, classes, name):
    x = mobile_conv(net, x, "body/conv1", 32, 3, 2)
    for i, (stride, filters) in enumerate(MOBILENET):
        path = "body/block%d/" % (i + 1)
        x = mobile_conv(net, x, path + "depthwise", x.shape[1], 3, stride, True)
        x = mobile_conv(net, x, path + "pointwise", filters)
    return net.classify(x, classes)


def mobilenet_v2(net, x, classes, name):
    x, number = mobile_conv(net, x, "body/conv1", 32, 3, 2), 0
    for widen, filters, count, first_stride in MOBILENET_V2:
        for i in range(count):
            number += 1
            path, y = "body/block%d/" % number, x
            if widen != 1:
                y = mobile_conv(net, y, path + "expand", widen * x.shape[1])
            stride = first_stride if i == 0 else 1
            y = mobile_conv(net, y, path + "depthwise", y.shape[1], 3, stride, True)
            y = net.norm(net.conv(y, path + "project/conv", filters, 1), path + "project/norm")
            x = x + y if x.shape == y.shape else y
    return net.classify(mobile_conv(net, x, "body/conv2", 1280), classes)


def unet(net, x, classes, name):
    def pair(x, path, filters):
        x = F.relu(net.conv(x, path + "conv1", filters, 3, bias=True))
        return F.relu(net.conv(x, path + "conv2", filters, 3, bias=True))

    sides = []
    for i in range(5):
        x = pair(x, "body/down%d/" % i, 64 << i)
        if i < 4:
            sides.append(x)
            x = F.max_pool2d(x, 2)
    for i in reversed(range(4)):
        path, filters = "body/up%d/" % i, 64 << i
        kernel = net.variable(path + "up/kernel", 2, 2, filters, x.shape[1])
        x = F.conv_transpose2d(x, kernel.permute(3, 2, 0, 1), net.variable(path + "up/bias", filters), 2)
        x = pair(torch.cat([sides[i], x], 1), path, filters)
    return net.conv(x, "head", classes, 1, bias=True)


FAMILIES = [("lenet", lambda net, x, classes, name: lenet5(net, x, classes)), ("alexnet", alexnet),
            ("vgg", vgg), ("googlenet", googlenet), ("squeezenet", squeezenet),
            ("drn_c_26", drn_c_26), ("densenet121", densenet121), ("mobilenet_v2", mobilenet_v2),
            ("mobilenet", mobilenet), ("unet", unet)]


def builder_of(name):
    if name.startswith("resnet"):
        return preact_resnet if name.endswith("_v2") else resnet if name in RESNET else cifar_resnet
    return next(build for prefix, build in FAMILIES if name.startswith(prefix))


def channels_of(name):
    return 1 if name in ("lenet5", "unet") else 3


def solve(name, height, classes, batch, dtype, images=1000, stored=None):
    """Loss, logits (channels last) and the gradients by path; weights are rounded to `stored`."""
    net, channels = Network(dtype, stored or dtype), channels_of(name)
    pixels = values(images, batch * height * height * channels)
    x = torch.tensor(pixels.reshape(batch, height, height, channels)).to(dtype).permute(0, 3, 1, 2)
    logits = builder_of(name)(net, x, classes, name)
    shape = (batch, height, height) if name == "unet" else (batch,)
    labels = torch.arange(math.prod(shape)).reshape(shape) * 7 % classes
    loss = F.cross_entropy(logits, labels)
    grads = torch.autograd.grad(loss, list(net.variables.values()))
    last = logits.movedim(1, -1)
    return loss.detach(), last.detach(), dict(zip(net.variables, grads))
