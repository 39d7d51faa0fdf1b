"""Golden values of bfloat16: rounding, and a product with its gradients whose operands are rounded."""

import numpy as np
import torch

from golden_writer import Header

ABOUT = """
`golden_bf16_bits` are floats as bits, `golden_bf16_rounded` what PyTorch makes of them as
bfloat16: ties to even, large numbers to infinity. Without subnormal numbers, which it keeps.

`golden_bf16_a` ({m} x {k}) and `golden_bf16_b` ({k} x {n}) are rounded to bfloat16 and multiplied
in f64: `golden_bf16_y`. When `golden_bf16_dy` flows in, a gradient is the product of rounded
operands again: `golden_bf16_da` = dy b^T, `golden_bf16_db` = a^T dy. In f32 within 1e-5.
"""

M, K, N = 5, 37, 19


def interesting_bits():
    rng = np.random.default_rng(16)
    exponents = rng.integers(1, 255, 60, dtype=np.uint32) << 23
    bits = list((rng.integers(0, 1 << 23, 60, dtype=np.uint32) | exponents))
    one = 0x3F800000
    for upper in (0, 0x10000, 0x20000, 0x7F0000):
        for lower in (0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF):
            bits.append(one + upper + lower)
    bits += [0, 0x00800000, 0x7F7FFFFF, 0x7F7F7FFF, 0x7F7F8000, 0x7F800000]
    bits = np.array(bits, dtype=np.uint32)
    return np.concatenate([bits, bits | np.uint32(0x80000000)])


def rounded(x):
    return x.to(torch.bfloat16)


def main():
    bits = interesting_bits()
    numbers = torch.from_numpy(bits.view(np.float32).copy())
    halves = rounded(numbers).view(torch.int16).numpy().view(np.uint16)

    rng = np.random.default_rng(17)
    a, b, dy = (torch.from_numpy(rng.standard_normal(s).astype(np.float32))
                for s in ((M, K), (K, N), (M, N)))
    a16, b16, dy16 = (rounded(t).to(torch.float64) for t in (a, b, dy))

    header = Header("bfloat16_golden.h", "Numbers rounded to bfloat16 and products of them.",
                    "PyTorch " + torch.__version__.split("+")[0], ABOUT.format(m=M, k=K, n=N))
    header.text("#include <stdint.h>")
    header.define("GOLDEN_BF16_COUNT", len(bits))
    header.text("enum { GOLDEN_BF16_M = %d, GOLDEN_BF16_K = %d, GOLDEN_BF16_N = %d };" % (M, K, N))
    header.array("golden_bf16_bits", bits, ctype="uint32_t")
    header.array("golden_bf16_rounded", halves, ctype="uint16_t")
    for name, values in (("a", a), ("b", b), ("dy", dy)):
        header.array("golden_bf16_" + name, values.numpy(), ctype="float")
    for name, values in (("y", a16 @ b16), ("da", dy16 @ b16.T), ("db", a16.T @ dy16)):
        header.array("golden_bf16_" + name, values.numpy())
    header.write()


main()
