"""Convolutional networks in PyTorch: one JSON line with the samples per second.

    python pytorch_vision.py --workload resnet50 --threads 2 --mode best
    python pytorch_vision.py --workload mnist-cnn --phase predict --batch 1 --mode best

mnist-cnn    28x28x1: conv 32 3x3, conv 64 3x3, ReLU, max-pool 2, dropout .25, dense 128, dropout .5,
             dense 10; Adam rate 0.001, batch 128
lenet5       28x28x1: LeCun et al. 1998, all maps connected, plain means; Adam rate 0.001, batch 128
resnet20     32x32x3: He et al. 2015, section 4.2, shortcuts of kind A; momentum 0.9, batch 128
resnet18@32  32x32x3: the network for 224x224 with 10 classes; momentum 0.9, batch 128

At 224x224x3 with momentum 0.9:
alexnet      Krizhevsky et al. 2012, with groups and response normalisation; batch 32
vgg16        Simonyan, Zisserman 2014; batch 8
googlenet    Szegedy et al. 2014 in torchvision's form, with both auxiliary heads; batch 16
resnet50     He et al. 2015, stride in the 3x3 convolution; batch 16
resnet152    the same; batch 8
mobilenet    Howard et al. 2017, ReLU cut at 6; batch 16
"""

import peer_side
import pytorch_side

MOMENTUM = dict(optimizer="SGD", rate=0.1, momentum=0.9)
SMALL = dict(image=(1, 28, 28), classes=10, batch=128, optimizer="Adam", rate=0.001)
LARGE = dict(MOMENTUM, image=(3, 224, 224), classes=1000)
WORKLOADS = {
    "mnist-cnn": SMALL,
    "lenet5": SMALL,
    "resnet20": dict(MOMENTUM, image=(3, 32, 32), classes=10, batch=128),
    "resnet18@32": dict(MOMENTUM, image=(3, 32, 32), classes=10, batch=128),
    "alexnet": dict(LARGE, batch=32),
    "vgg16": dict(LARGE, batch=8),
    "googlenet": dict(LARGE, batch=16),
    "resnet50": dict(LARGE, batch=16),
    "resnet152": dict(LARGE, batch=8),
    "mobilenet": dict(LARGE, batch=16),
}

SETTINGS = {
    "train": {
        "eager": {},
        "eager-keep": dict(flush=True, keep=True),
        "eager-last-keep": dict(channels_last=True, flush=True, keep=True),
        "eager-last-fused-keep": dict(channels_last=True, fused=True, flush=True, keep=True),
        "eager-last-fused-spin": dict(channels_last=True, fused=True, flush=True, keep=True,
                                      spin=True),
        "compile-keep": dict(compile="loss", fused=True, flush=True, keep=True),
        "compile-last-keep": dict(compile="loss", channels_last=True, fused=True, flush=True,
                                  keep=True),
        "compile-last-spin": dict(compile="loss", channels_last=True, fused=True, flush=True,
                                  keep=True, spin=True),
    },
    "predict": {
        "eager": dict(flush=True),
        "eager-last-keep": dict(channels_last=True, flush=True, keep=True),
        "compile-freezing": dict(compile="model", freezing=True, flush=True, keep=True),
        "compile-freezing-last": dict(compile="model", freezing=True, channels_last=True, flush=True,
                                      keep=True),
        "compile-freezing-last-spin": dict(compile="model", freezing=True, channels_last=True,
                                           flush=True, keep=True, spin=True),
    },
}


def mnist_cnn(torch, workload):
    nn = torch.nn
    return nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(inplace=True), nn.Conv2d(32, 64, 3),
                         nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Dropout(0.25), nn.Flatten(),
                         nn.Linear(64 * 12 * 12, 128), nn.ReLU(inplace=True), nn.Dropout(0.5),
                         nn.Linear(128, 10))


def lenet5(torch, workload):
    nn = torch.nn
    return nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2),
                         nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(),
                         nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(),
                         nn.Linear(84, 10))


def alexnet(torch, workload):
    nn, channels = torch.nn, 3
    layers = [nn.ZeroPad2d((1, 2, 1, 2))]
    # filters, size, stride, padding, groups, response normalisation, pool
    for filters, size, stride, padding, groups, response, pool in (
            (96, 11, 4, 0, 1, True, True), (256, 5, 1, 2, 2, True, True),
            (384, 3, 1, 1, 1, False, False), (384, 3, 1, 1, 2, False, False),
            (256, 3, 1, 1, 2, False, True)):
        layers += [nn.Conv2d(channels, filters, size, stride, padding, groups=groups),
                   nn.ReLU(inplace=True)]
        if response:
            layers.append(nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2))
        if pool:
            layers.append(nn.MaxPool2d(3, 2))
        channels = filters
    return nn.Sequential(*layers, *dense_head(torch, 256 * 6 * 6, workload["classes"]))


def vgg16(torch, workload):
    nn, layers, channels = torch.nn, [], 3
    for count, filters in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        for _ in range(count):
            layers += [nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU(inplace=True)]
            channels = filters
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, *dense_head(torch, 512 * 7 * 7, workload["classes"]))


def dense_head(torch, features, classes):
    nn = torch.nn
    return [nn.Flatten(), nn.Linear(features, 4096), nn.ReLU(inplace=True), nn.Dropout(0.5),
            nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(4096, classes)]


# one, three's reduction, three, five's reduction, five, pool
INCEPTION = {
    "3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64), "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64), "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128), "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def googlenet(torch, workload):
    nn = torch.nn

    def conv(channels, filters, size, stride=1):
        return nn.Sequential(nn.Conv2d(channels, filters, size, stride, size // 2, bias=False),
                             nn.BatchNorm2d(filters, eps=1e-3), nn.ReLU(inplace=True))

    class Inception(nn.Module):
        def __init__(self, channels, one, reduce3, three, reduce5, five, pool):
            super().__init__()
            self.branches = nn.ModuleList([
                conv(channels, one, 1),
                nn.Sequential(conv(channels, reduce3, 1), conv(reduce3, three, 3)),
                nn.Sequential(conv(channels, reduce5, 1), conv(reduce5, five, 3)),
                nn.Sequential(nn.MaxPool2d(3, 1, 1), conv(channels, pool, 1))])
            self.filters = one + three + five + pool

        def forward(self, x):
            return torch.cat([branch(x) for branch in self.branches], 1)

    def auxiliary(channels):
        return nn.Sequential(nn.AdaptiveAvgPool2d(4), conv(channels, 128, 1), nn.Flatten(),
                             nn.Linear(2048, 1024), nn.ReLU(inplace=True), nn.Dropout(0.7),
                             nn.Linear(1024, workload["classes"]))

    def halve(size):
        return nn.MaxPool2d(size, 2, ceil_mode=True)

    class GoogLeNet(nn.Module):
        def __init__(self):
            super().__init__()
            parts = [[conv(3, 64, 7, 2), halve(3), conv(64, 64, 1), conv(64, 192, 3), halve(3)], [], []]
            heads, channels, part = [], 192, 0
            for name, row in INCEPTION.items():
                block = Inception(channels, *row)
                parts[part].append(block)
                channels = block.filters
                if name in ("3b", "4e"):
                    parts[part].append(halve(3 if name == "3b" else 2))
                if name in ("4a", "4d"):
                    heads.append(auxiliary(channels))
                    part += 1
            self.parts = nn.ModuleList(nn.Sequential(*layers) for layers in parts)
            # only training has them, as on our side
            self.heads = nn.ModuleList(heads if workload["phase"] == "train" else [])
            self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2),
                                      nn.Linear(channels, workload["classes"]))

        def forward(self, x):
            first = self.parts[0](x)
            second = self.parts[1](first)
            logits = self.head(self.parts[2](second))
            if not self.training or not self.heads:
                return logits
            return logits, self.heads[0](first), self.heads[1](second)
    return GoogLeNet()


def mobilenet(torch, workload):
    nn, channels = torch.nn, 32

    def conv(channels, filters, size, stride=1, groups=1):
        return [nn.Conv2d(channels, filters, size, stride, size // 2, groups=groups, bias=False),
                nn.BatchNorm2d(filters), nn.ReLU6(inplace=True)]

    layers = conv(3, 32, 3, 2)
    for stride, filters in ((1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512), (1, 512),
                            (1, 512), (1, 512), (1, 512), (1, 512), (2, 1024), (1, 1024)):
        layers += conv(channels, channels, 3, stride, channels) + conv(channels, filters, 1)
        channels = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.001),
                         nn.Linear(channels, workload["classes"]))


def residual(torch, body, shortcut):
    class Residual(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.shortcut = body, shortcut

        def forward(self, x):
            return torch.relu_(self.body(x) + self.shortcut(x))
    return Residual()


def convolution(torch, channels, filters, size, stride=1):
    return [torch.nn.Conv2d(channels, filters, size, stride, size // 2, bias=False),
            torch.nn.BatchNorm2d(filters)]


def resnet20(torch, workload):
    class Subsample(torch.nn.Module):
        """Shortcut A: every second pixel, zeros for the new channels."""

        def __init__(self, extra):
            super().__init__()
            self.extra = extra

        def forward(self, x):
            return torch.nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.extra))

    nn, channels = torch.nn, 16
    layers = convolution(torch, 3, 16, 3) + [nn.ReLU(inplace=True)]
    for filters in (16, 32, 64):
        for _ in range(3):
            stride = filters // channels
            body = nn.Sequential(*convolution(torch, channels, filters, 3, stride),
                                 nn.ReLU(inplace=True), *convolution(torch, filters, filters, 3))
            shortcut = nn.Identity() if stride == 1 else Subsample(filters - channels)
            layers.append(residual(torch, body, shortcut))
            channels = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


RESNETS = {"resnet18@32": (2, 2, 2, 2), "resnet50": (3, 4, 6, 3), "resnet152": (3, 8, 36, 3)}


def resnet(torch, workload):
    nn, channels, pairs = torch.nn, 64, workload["name"] == "resnet18@32"
    layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True),
              nn.MaxPool2d(3, 2, 1)]
    for level, blocks in enumerate(RESNETS[workload["name"]]):
        width = 64 << level
        filters = width if pairs else 4 * width
        for i in range(blocks):
            stride = 2 if i == 0 and level > 0 else 1
            if pairs:
                body = [*convolution(torch, channels, width, 3, stride), nn.ReLU(inplace=True),
                        *convolution(torch, width, width, 3)]
            else:
                body = [*convolution(torch, channels, width, 1), nn.ReLU(inplace=True),
                        *convolution(torch, width, width, 3, stride), nn.ReLU(inplace=True),
                        *convolution(torch, width, filters, 1)]
            same = stride == 1 and channels == filters
            shortcut = nn.Identity() if same else nn.Sequential(
                *convolution(torch, channels, filters, 1, stride))
            layers.append(residual(torch, nn.Sequential(*body), shortcut))
            channels = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(channels, workload["classes"]))


MODELS = {"mnist-cnn": mnist_cnn, "lenet5": lenet5, "resnet20": resnet20, "resnet18@32": resnet,
          "alexnet": alexnet, "vgg16": vgg16, "googlenet": googlenet, "resnet50": resnet,
          "resnet152": resnet, "mobilenet": mobilenet}


def make_model(torch, workload, setting):
    return MODELS[workload["name"]](torch, workload)


def make_data(torch, workload, batch, setting):
    layout = torch.channels_last if setting.get("channels_last") else torch.contiguous_format
    count = max(2, 2048 // batch) if workload["image"][1] < 100 else 2
    return [(torch.rand(batch, *workload["image"]).to(memory_format=layout),
             torch.randint(0, workload["classes"], (batch,))) for _ in range(count)]


pytorch_side.main(peer_side.Side(WORKLOADS, SETTINGS, {}, make_model, make_data))
