#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes a file's bytes as a C array, so that shunt-decap is one file to copy to a server."""

import sys

source, target = sys.argv[1:]
with open(source, "rb") as file:
    data = file.read()
with open(target, "w", encoding="ascii") as file:
    file.write("static const unsigned char decap_object[] __attribute__((aligned(8))) = {\n")
    for at in range(0, len(data), 16):
        file.write("\t" + " ".join("%d," % b for b in data[at:at + 16]) + "\n")
    file.write("};\n")
