"""Writes golden values as C headers that need no reader: static const arrays and tables of records."""

import pathlib

import numpy as np

WIDTH = 100
FOLDER = pathlib.Path(__file__).resolve().parent


def number(value):
    """The shortest decimal that reads back to the same double."""
    text = repr(float(value))
    if text in ("inf", "-inf", "nan"):
        raise ValueError("golden values are finite, got " + text)
    return text


def wrap(items, indent="    "):
    lines, line = [], indent
    for item in items:
        piece = item + ", "
        if len(line) + len(piece.rstrip()) > WIDTH:
            lines.append(line.rstrip())
            line = indent
        line += piece
    lines.append(line.rstrip())
    return "\n".join(lines)


def literal(value):
    """A C initialiser: None is left out by `record`, strings are quoted unless they name an array."""
    if isinstance(value, Name):
        return str(value)
    if isinstance(value, str):
        return '"' + value + '"'
    if isinstance(value, (bool, int, np.integer)):
        return str(int(value))
    return number(value)


class Name(str):
    """A C identifier, written without quotes."""


class Header:
    def __init__(self, file, title, made_with, about):
        self.path = FOLDER / file
        guard = file.upper().replace(".", "_")
        script = "generate_" + file.replace("_golden.h", ".py")
        self.parts = [
            "/* " + title + "\n * Source: " + made_with + ".\n"
            + " * Made by tests/golden/" + script + "; do not edit.\n *\n"
            + "".join((" * " + line).rstrip() + "\n" for line in about.strip("\n").split("\n"))
            + " */\n"
            + "/* clang-format off */\n"
            + "#ifndef " + guard + "\n#define " + guard + "\n",
        ]

    def text(self, text):
        self.parts.append(text.strip("\n") + "\n")

    def define(self, name, value):
        self.parts.append("#define {} {}\n".format(name, value))

    def array(self, name, values, comment=None, ctype="double"):
        """Flattens row-major; the shape goes into the comment."""
        values = np.asarray(values)
        shape = " x ".join(str(n) for n in values.shape)
        note = shape if comment is None else shape + ": " + comment
        write = number if ctype == "double" else (lambda v: str(int(v)))
        if ctype == "float":
            write = lambda v: number(np.float32(v)) + "f"
        self.parts.append("/* {} */\nstatic const {} {}[{}] = {{\n{}\n}};\n".format(
            note, ctype, name, values.size, wrap([write(v) for v in values.reshape(-1)])))
        return Name(name)

    def table(self, struct, name, records):
        rows = []
        for record in records:
            items = [".{} = {}".format(k, literal(v)) for k, v in record.items() if v is not None]
            rows.append("    {\n" + wrap(items, "        ") + "\n    },")
        self.parts.append("static const struct {} {}[{}] = {{\n{}\n}};\n".format(
            struct, name, len(rows), "\n".join(rows)))
        self.define(name.upper() + "_COUNT", len(rows))

    def write(self):
        text = "\n".join(self.parts) + "\n#endif\n"
        too_long = [line for line in text.split("\n") if len(line) > WIDTH]
        if too_long:
            raise ValueError("lines over {} columns:\n{}".format(WIDTH, "\n".join(too_long)))
        self.path.write_text(text)
        print("{} {} bytes, {} lines".format(self.path.name, len(text), text.count("\n")))
