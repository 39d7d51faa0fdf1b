"""Writes tests/golden/npy: the same twelve numbers in every form that NumPy gives a file.

Made with NumPy 2.4.6:  python tests/golden/generate_npy.py
Element k of the (3, 4) array is k for unsigned types, k - 5 for signed ones, (k - 5) / 4 for
floating ones, and k % 3 == 0 for booleans.
"""
import pathlib

import numpy as np

FOLDER = pathlib.Path(__file__).parent / "npy"


def numbers(dtype):
    k = np.arange(12)
    kind = np.dtype(dtype).kind
    values = {"u": k, "i": k - 5, "f": (k - 5) / 4, "b": k % 3 == 0}[kind]
    return values.reshape(3, 4).astype(dtype)


def main():
    FOLDER.mkdir(exist_ok=True)
    little = ["|b1", "|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<i8", "<f2", "<f4", "<f8"]
    for dtype in little + [">i2", ">i4", ">f4", ">f8"]:
        name = ("big_" if dtype[0] == ">" else "") + dtype[1:]
        np.save(FOLDER / f"{name}.npy", numbers(dtype))
    np.save(FOLDER / "fortran.npy", np.asfortranarray(numbers("<f4")))
    cube = np.arange(24, dtype="<i4").reshape(2, 3, 4)
    np.save(FOLDER / "fortran_cube.npy", np.asfortranarray(cube))
    np.save(FOLDER / "scalar.npy", np.float32(7))
    np.save(FOLDER / "complex.npy", np.zeros(2, "<c8"))
    np.save(FOLDER / "record.npy", np.zeros(2, [("a", "<f4"), ("b", "<i4")]))
    for version in (2, 3):
        with open(FOLDER / f"version_{version}.npy", "wb") as file:
            np.lib.format.write_array(file, numbers("<f4"), version=(version, 0))
    parts = {
        "x_train": numbers("<f4"),
        "y_train": np.array([2, 0, 1]),
        "x_test": numbers("<f4")[:2],
        "y_test": np.array([1, 1]),
    }
    np.savez(FOLDER / "stored.npz", **parts)
    np.savez_compressed(FOLDER / "deflated.npz", **parts)


main()
