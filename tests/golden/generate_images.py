"""images_golden.h: resized, moved and recolored images, by Pillow, PyTorch and Python's colorsys."""

import colorsys
import math

import numpy as np
import PIL
import torch
from PIL import Image

from golden_writer import Header

HEIGHT, WIDTH = 11, 14


def picture(channels):
    """What tests/data/augment_test.c makes: a function of place and channel."""
    y, x, c = np.meshgrid(np.arange(HEIGHT), np.arange(WIDTH), np.arange(channels), indexing="ij")
    return ((37 * y + 61 * x + 83 * c + 11 * x * y) % 256).astype(np.uint8)


def resized(image, height, width, box=None):
    mode = image[..., 0] if image.shape[2] == 1 else image
    made = Image.fromarray(mode).resize((width, height), Image.Resampling.BILINEAR, box=box)
    return np.asarray(made).reshape(height, width, image.shape[2])


def moved(image, matrix, padding):
    """matrix: from a point of the result to one of the source, pixels from the middle, (x, y)."""
    h, w, _ = image.shape
    theta = torch.tensor(matrix, dtype=torch.float64)
    rows, columns = (torch.arange(n, dtype=torch.float64) + 0.5 - n / 2 for n in (h, w))
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    u = theta[0, 0] * x + theta[0, 1] * y + theta[0, 2]
    v = theta[1, 0] * x + theta[1, 1] * y + theta[1, 2]
    grid = torch.stack([u / (w / 2), v / (h / 2)], -1)[None]
    source = torch.tensor(image, dtype=torch.float64).permute(2, 0, 1)[None]
    return torch.nn.functional.grid_sample(source, grid, "bilinear", padding, align_corners=False)[
        0
    ].permute(1, 2, 0)


def rotated(degrees):
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def blurred(image, sigma):
    radius = math.ceil(3 * sigma)
    k = np.exp(-0.5 * np.arange(-radius, radius + 1) ** 2 / sigma**2)
    k /= k.sum()
    padded = np.pad(image.astype(float), ((radius, radius), (radius, radius), (0, 0)), "reflect")
    rows = sum(k[i] * padded[i : i + image.shape[0]] for i in range(2 * radius + 1))
    return sum(k[i] * rows[:, i : i + image.shape[1]] for i in range(2 * radius + 1))


def turned(image, turn):
    made = np.zeros(image.shape)
    for place in np.ndindex(image.shape[:2]):
        h, s, v = colorsys.rgb_to_hsv(*(image[place] / 255.0))
        made[place] = 255 * np.array(colorsys.hsv_to_rgb((h + turn) % 1, s, v))
    return made


def grey(image):
    return image @ np.array([0.2989, 0.587, 0.114])


def main():
    image, one = picture(3), picture(1)
    zoom = np.diag([1 / 1.25, 1 / 1.25, 1])
    shear = np.array([[1, -math.tan(math.radians(20)), 0], [0, 1, 0], [0, 0, 1]])
    whole = image.astype(float)
    mean = grey(whole).mean()
    bytes_ = {
        "smaller_3": resized(image, 5, 6),
        "larger_3": resized(image, 17, 20),
        "part_3": resized(image, 4, 7, box=(2, 1, 12, 10)),
        "smaller_1": resized(one, 3, 9),
    }
    floats = {
        "rotated_30": moved(image, rotated(30)[:2], "zeros"),
        "rotated_30_edge": moved(image, rotated(30)[:2], "border"),
        "zoomed_then_sheared": moved(image, (zoom @ shear)[:2], "zeros"),
        "blurred_0_8": blurred(image, 0.8),
        "hue_0_2": turned(image, 0.2),
        "bright_1_5": np.clip(1.5 * whole, 0, 255),
        "contrast_0_4": np.clip(mean + 0.4 * (whole - mean), 0, 255),
        "saturation_1_7": np.clip(grey(whole)[..., None] * (1 - 1.7) + 1.7 * whole, 0, 255),
    }
    header = Header(
        "images_golden.h",
        "Images resized, moved and recolored",
        f"Pillow {PIL.__version__}, PyTorch {torch.__version__.split('+')[0]}, Python's colorsys",
        f"""
The image is {HEIGHT} x {WIDTH} with 3 channels (or 1): (37 y + 61 x + 83 c + 11 x y) mod 256.
Resized: Image.resize with BILINEAR, to be met exactly. Moved: grid_sample.
Arrays are (y, x, channel).
""",
    )
    for name, values in bytes_.items():
        header.array("golden_" + name, values, ctype="unsigned char")
    for name, values in floats.items():
        header.array("golden_" + name, values, ctype="float")
    header.write()


main()
