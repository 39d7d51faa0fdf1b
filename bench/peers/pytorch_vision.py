"""Convolutional networks in PyTorch: one JSON line with the samples per second.

    python pytorch_vision.py --workload resnet50 --threads 2 --mode best
    python pytorch_vision.py --workload mnist-cnn --phase predict --batch 1 --mode best

mnist-cnn  28x28x1: conv 32 3x3, conv 64 3x3, ReLU, max-pool 2, dropout .25, dense 128, dropout .5,
           dense 10; Adam rate 0.001, batch 128
resnet20   32x32x3: He et al. 2015, section 4.2, shortcuts of kind A; momentum 0.9, batch 128
resnet50   224x224x3: He et al. 2015, stride in the 3x3 convolution; momentum 0.9, batch 16
"""

import pytorch_side

WORKLOADS = {
    "mnist-cnn": dict(image=(1, 28, 28), classes=10, batch=128, optimizer="Adam", rate=0.001,
                      steps=20),
    "resnet20": dict(image=(3, 32, 32), classes=10, batch=128, optimizer="SGD", rate=0.1,
                     momentum=0.9, steps=8),
    "resnet50": dict(image=(3, 224, 224), classes=1000, batch=16, optimizer="SGD", rate=0.1,
                     momentum=0.9, steps=2),
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


def mnist_cnn(torch):
    nn = torch.nn
    return nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(inplace=True), nn.Conv2d(32, 64, 3),
                         nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Dropout(0.25), nn.Flatten(),
                         nn.Linear(64 * 12 * 12, 128), nn.ReLU(inplace=True), nn.Dropout(0.5),
                         nn.Linear(128, 10))


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


def resnet20(torch):
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


def resnet50(torch):
    nn, channels = torch.nn, 64
    layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True),
              nn.MaxPool2d(3, 2, 1)]
    for blocks, width in ((3, 64), (4, 128), (6, 256), (3, 512)):
        for i in range(blocks):
            stride = 2 if i == 0 and width > 64 else 1
            body = nn.Sequential(*convolution(torch, channels, width, 1), nn.ReLU(inplace=True),
                                 *convolution(torch, width, width, 3, stride), nn.ReLU(inplace=True),
                                 *convolution(torch, width, 4 * width, 1))
            shortcut = nn.Identity() if i else nn.Sequential(
                *convolution(torch, channels, 4 * width, 1, stride))
            layers.append(residual(torch, body, shortcut))
            channels = 4 * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000))


MODELS = {"mnist-cnn": mnist_cnn, "resnet20": resnet20, "resnet50": resnet50}


def make_model(torch, workload, setting):
    return MODELS[next(k for k, v in WORKLOADS.items() if v is workload)](torch)


def make_data(torch, workload, batch, setting):
    layout = torch.channels_last if setting.get("channels_last") else torch.contiguous_format
    count = max(2, 2048 // batch) if workload["image"][1] < 100 else 2
    return [(torch.rand(batch, *workload["image"]).to(memory_format=layout),
             torch.randint(0, workload["classes"], (batch,))) for _ in range(count)]


pytorch_side.main(pytorch_side.Side(WORKLOADS, SETTINGS, {}, make_model, make_data))
