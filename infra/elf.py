"""What a program or library asks of the system it will run on, read from its file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from elftools.common.exceptions import ELFError as ELFError
from elftools.elf.elffile import ELFFile

MACHINES = {"EM_X86_64": "x86_64", "EM_AARCH64": "arm64"}

# What `provided.al2023` brings. Its C library is glibc 2.34; its compiler's libraries are those of GCC 11, whose libstdc++ ends with
# GLIBCXX_3.4.29 and CXXABI_1.3.13. Source: release notes of Amazon Linux 2023 and of GCC 11.
NEWEST = {"GLIBC": (2, 34), "GLIBCXX": (3, 4, 29), "CXXABI": (1, 3, 13), "GCC": (11, 0, 0)}
C_LIBRARIES = frozenset(
    {"libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}
)
COMPILER_LIBRARIES = frozenset({"libgcc_s.so.1", "libstdc++.so.6"})


@dataclass(frozen=True)
class Needs:
    """Architecture, libraries, versions of their symbols such as `GLIBC_2.34`, and the size of the tables by which panics unwind."""

    architecture: str
    libraries: frozenset[str]
    versions: frozenset[str]
    unwind_bytes: int

    def newest(self, name: str) -> tuple[int, ...]:
        """The newest version of a name that is asked for, `(0,)` if none is."""
        return max((v for n, v in map(parsed, self.versions) if n == name), default=(0,))


def needs(file: BinaryIO | Path) -> Needs:
    """Reads an ELF file; raises `ELFError` for anything else."""
    if isinstance(file, Path):
        with file.open("rb") as opened:
            return needs(opened)
    elf = ELFFile(file)
    dynamic = elf.get_section_by_name(".dynamic")
    if dynamic is None:
        raise ELFError("no dynamic section: not a program for a Linux with shared libraries")
    libraries = {tag.needed for tag in dynamic.iter_tags("DT_NEEDED")}
    section = elf.get_section_by_name(".gnu.version_r")
    versions = {version.name for _, group in (section.iter_versions() if section else ()) for version in group}
    tables = elf.get_section_by_name(".gcc_except_table")
    architecture = MACHINES.get(elf["e_machine"], elf["e_machine"])
    return Needs(architecture, frozenset(libraries), frozenset(versions), tables["sh_size"] if tables else 0)


def parsed(version: str) -> tuple[str, tuple[int, ...]]:
    """`GLIBC_2.34` as `("GLIBC", (2, 34))`; what is no number, such as GLIBC_PRIVATE, counts as too new."""
    name, _, number = version.rpartition("_")
    return name, tuple(map(int, number.split("."))) if re.fullmatch(r"[0-9.]+", number) else (999,)


def complaints(found: Needs, architecture: str, libraries: frozenset[str], newest: dict[str, tuple[int, ...]] = NEWEST) -> list[str]:
    """What the system would not have."""
    said = []
    if found.architecture != architecture:
        said.append(f"is for {found.architecture}, not for {architecture}")
    said += [f"needs {name}" for name in sorted(found.libraries - libraries)]
    for version in sorted(found.versions):
        name, number = parsed(version)
        if name not in newest or number > newest[name]:
            limit = ".".join(map(str, newest.get(name, ()))) or "none"
            said.append(f"needs {version}, there is {limit}")
    return said
