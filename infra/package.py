"""Packs programs for AWS Lambda, checks what was packed, and prints its size.

A package is the same bytes for the same contents, so that a release of unchanged code is none. It holds

    bootstrap                  the program, under the name that the runtime starts
    roots.pem                  root certificates of AWS's endpoints, where the template's SSL_CERT_FILE points
    lib/libonnxruntime.so      where the template's STORECAST_ORT_LIBRARY points
    lib/*.txt                  ONNX Runtime's licence and notices, which must go with it

or, where the program runs no model, only the first two.
"""

from __future__ import annotations

import argparse
import io
import sys
import zipfile
from pathlib import Path

from elf import C_LIBRARIES, COMPILER_LIBRARIES, NEWEST, ELFError, complaints, needs

PROGRAM = "bootstrap"
ROOTS = "roots.pem"
LIBRARY = "lib/libonnxruntime.so"
NOTICES = {"lib/onnxruntime-LICENSE.txt": "LICENSE", "lib/onnxruntime-ThirdPartyNotices.txt": "ThirdPartyNotices.txt"}
# Well below Lambda's own 50 MB zipped and 250 MB unpacked: what grows by half is noticed.
MOST_ZIPPED_BYTES = 20_000_000
MOST_UNPACKED_BYTES = 60_000_000
# A program of ours has 318 kB of tables by which panics unwind; with `panic = "abort"` only the standard library's 4 kB are left.
LEAST_UNWIND_BYTES = 50_000
# The oldest date that a zip file can say.
EPOCH = (1980, 1, 1, 0, 0, 0)


def pack(files: dict[str, bytes], path: Path, level: int = 9) -> None:
    """Writes a zip whose bytes depend on the contents only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system, entry.compress_type = 3, zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100644 if name.endswith((".txt", ".pem")) else 0o100755) << 16
            archive.writestr(entry, files[name], compresslevel=level)


def contents(program: Path, library: Path | None) -> dict[str, bytes]:
    """What goes into a package; notices lie beside the library's folder, as the wheel has them."""
    own = {PROGRAM: program.read_bytes(), ROOTS: (Path(__file__).parent / ROOTS).read_bytes()}
    if library is None:
        return own
    notices = library.resolve().parents[1]
    texts = {name: (notices / file).read_bytes() for name, file in NOTICES.items()}
    return {**own, LIBRARY: library.read_bytes(), **texts}


def faults(path: Path, architecture: str, has_library: bool = True) -> list[str]:
    """Why a package would not run on AWS Lambda as it should, or is larger than it should be."""
    found = []
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        missing = {PROGRAM, ROOTS, *([LIBRARY, *NOTICES] if has_library else [])} - set(entries)
        found += [f"{name} is missing" for name in sorted(missing)]
        for name in sorted({PROGRAM, LIBRARY} & set(entries)):
            found += [f"{name} {said}" for said in unfit(name, archive.read(name), architecture)]
            if not entries[name].external_attr >> 16 & 0o111:
                found.append(f"{name} cannot be executed")
    zipped, unpacked = path.stat().st_size, sum(entry.file_size for entry in entries.values())
    if zipped > MOST_ZIPPED_BYTES:
        found.append(f"{zipped} bytes, {MOST_ZIPPED_BYTES} at most")
    if unpacked > MOST_UNPACKED_BYTES:
        found.append(f"{unpacked} bytes unpacked, {MOST_UNPACKED_BYTES} at most")
    return found


def unfit(name: str, file: bytes, architecture: str) -> list[str]:
    """What is wrong with the program or the library."""
    # The program must run where its compiler is not: all it may use is the C library.
    libraries = C_LIBRARIES if name == PROGRAM else C_LIBRARIES | COMPILER_LIBRARIES
    try:
        found = needs(io.BytesIO(file))
    except ELFError as error:
        return [f"is no program: {error}"]
    said = complaints(found, architecture, libraries)
    if name == PROGRAM and found.unwind_bytes < LEAST_UNWIND_BYTES:
        said.append("ends with a panic, where it should answer 500 and go on")
    return said


def described(path: Path) -> str:
    """Sizes, and the C library that a package needs."""
    with zipfile.ZipFile(path) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
        names = {name: called for name, called in {PROGRAM: PROGRAM, LIBRARY: "ONNX Runtime"}.items() if name in sizes}
        glibc = {name: ".".join(map(str, needs(io.BytesIO(archive.read(name))).newest("GLIBC"))) for name in names}
    limit = ".".join(map(str, NEWEST["GLIBC"]))
    parts = [f"{called} {sizes[name] / 1e6:.1f} MB (glibc {glibc[name]} of {limit})" for name, called in names.items()]
    whole = f"{path.stat().st_size / 1e6:.1f} MB zipped, {sum(sizes.values()) / 1e6:.1f} MB unpacked"
    return f"{path}: {whole}; {', '.join(parts)}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("functions", nargs="+", help="functions to pack")
    parser.add_argument("--without-library", action="append", default=[], metavar="FUNCTION", help="of them one that runs no model")
    parser.add_argument("--programs", type=Path, required=True, help="folder with <function>/bootstrap, as cargo-lambda writes it")
    parser.add_argument("--library", type=Path, required=True, help="ONNX Runtime for the architecture")
    parser.add_argument("--architecture", choices=("x86_64", "arm64"), required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of the packages")
    given = parser.parse_args()
    refused = False
    for function in given.functions:
        path = given.out / f"{function}.zip"
        library = None if function in given.without_library else given.library
        pack(contents(given.programs / function / PROGRAM, library), path)
        for fault in faults(path, given.architecture, has_library=library is not None):
            refused = True
            print(f"error: {path}: {fault}", file=sys.stderr)
        print(described(path))
    return int(refused)


if __name__ == "__main__":
    sys.exit(main())
