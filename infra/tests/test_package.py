"""What a package holds and what it needs of its system: of the built programs, and of the packages where `make package` made them."""

from __future__ import annotations

import hashlib
import io
import os
import platform
import re
import ssl
import subprocess
import sys
import zipfile
from pathlib import Path

import boto3
import pytest
import stack
from elf import C_LIBRARIES, COMPILER_LIBRARIES, NEWEST, Needs, complaints, needs
from package import LIBRARY, MOST_ZIPPED_BYTES, NOTICES, PROGRAM, ROOTS, contents, described, faults, pack, unfit
from recording import RecordingServer
from samtranslator.yaml_helper import yaml_parse

ONNX_RUNTIME = stack.ROOT / ".tools" / "onnxruntime" / "libonnxruntime.so"
HERE = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]
linux = pytest.mark.skipif(platform.system() != "Linux", reason="reads the programs of a Linux build")


@linux
@pytest.mark.parametrize("function", stack.packages())
def test_a_program_needs_the_c_library_only(function, program):
    """Of an ordinary build, whose C library is this machine's; the packages' own limit holds for what links to an older one."""
    found = needs(program(function))
    unlimited = dict.fromkeys(NEWEST, (999,))
    assert complaints(found, HERE, C_LIBRARIES | {"libgcc_s.so.1"}, unlimited) == []
    assert "needs libc.so.6" in complaints(found, HERE, frozenset(), unlimited)
    assert complaints(found, HERE, C_LIBRARIES | COMPILER_LIBRARIES, {**NEWEST, "GLIBC": (2, 3)}), "a newer C library is found"
    other = "arm64" if HERE == "x86_64" else "x86_64"
    assert f"is for {HERE}, not for {other}" in complaints(found, other, C_LIBRARIES, unlimited)


@linux
def test_onnx_runtime_runs_on_the_runtime_s_libraries():
    found = needs(ONNX_RUNTIME)
    assert complaints(found, HERE, C_LIBRARIES | COMPILER_LIBRARIES) == []
    assert (2, 17) <= found.newest("GLIBC") <= NEWEST["GLIBC"]


def test_versions_are_compared_as_numbers():
    def said(*versions: str) -> list[str]:
        return complaints(Needs("x86_64", frozenset(), frozenset(versions), 0), "x86_64", frozenset())

    assert said("GLIBC_2.34", "GLIBC_2.4", "GLIBCXX_3.4.9", "GCC_4.3.0") == []
    assert said("GLIBC_2.35") == ["needs GLIBC_2.35, there is 2.34"]
    assert said("GLIBCXX_3.4.30") == ["needs GLIBCXX_3.4.30, there is 3.4.29"]
    assert said("GLIBC_PRIVATE") == ["needs GLIBC_PRIVATE, there is 2.34"]
    assert said("OPENSSL_3.0.0") == ["needs OPENSSL_3.0.0, there is none"]


def test_the_same_contents_are_the_same_bytes(tmp_path):
    files = {PROGRAM: b"program" * 1000, "lib/a.txt": b"text"}
    pack(files, tmp_path / "one.zip")
    pack(dict(reversed(files.items())), tmp_path / "two" / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two" / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        modes = {entry.filename: oct(entry.external_attr >> 16) for entry in archive.infolist()}
    assert modes == {PROGRAM: "0o100755", "lib/a.txt": "0o100644"}


# An ordinary build may need its compiler's library and this machine's C library; nothing else is wrong. A packed program may not.
ORDINARY = re.compile(r"bootstrap needs (libgcc_s\.so\.1|G(LIBC|CC)_[0-9.]+, there is .*)")
# What `make package` made, if it did.
PACKAGES = Path(os.environ.get("PACKAGES", stack.ROOT / "target" / "package"))


def beyond_ordinary(found: list[str]) -> list[str]:
    return found if "PACKAGES" in os.environ else [fault for fault in found if not ORDINARY.fullmatch(fault)]


@pytest.fixture(scope="module")
def built(program, tmp_path_factory):
    """Finds a program as it is packed: without its symbols, as the profile of the packages links it."""
    folder = tmp_path_factory.mktemp("stripped")

    def find(name: str) -> Path:
        path = folder / name
        if not path.exists():
            subprocess.run(["strip", "-o", path, program(name)], check=True)
        return path

    return find


@linux
@pytest.mark.parametrize("function", stack.packages())
def test_a_package_of_the_built_program_is_small_and_whole(built, function, tmp_path):
    """The cap is that of the packages, whose programs are smaller: they are optimised as a whole."""
    library = None if function == stack.MERGER else ONNX_RUNTIME
    path = tmp_path / f"{function}.zip"
    pack(contents(built(function), library), path, level=6)
    assert beyond_ordinary(faults(path, HERE, has_library=library is not None)) == []
    assert "MB zipped" in described(path) and ("ONNX" in described(path)) == (library is not None)


@linux
@pytest.mark.parametrize("function", stack.packages())
def test_what_was_packed_has_no_fault(function):
    path = PACKAGES / f"{function}.zip"
    if not path.is_file() and "PACKAGES" not in os.environ:
        pytest.skip("`make package` was not run")
    with zipfile.ZipFile(path) as archive, archive.open(PROGRAM) as file:
        architecture = needs(io.BytesIO(file.read())).architecture
    assert architecture in ("x86_64", "arm64")
    assert faults(path, architecture, has_library=function != stack.MERGER) == []


@pytest.fixture(scope="module")
def files(built):
    """What a package holds."""
    return contents(built("churn"), ONNX_RUNTIME)


@linux
def test_a_package_holds_all_that_runs(files, built, tmp_path):
    assert set(files) == {PROGRAM, ROOTS, LIBRARY, *NOTICES}
    merger = contents(built(stack.MERGER), None)
    assert set(merger) == {PROGRAM, ROOTS}, "it runs no model, so it needs no ONNX Runtime"
    pack(merger, tmp_path / "orders.zip", level=1)
    assert f"{LIBRARY} is missing" in faults(tmp_path / "orders.zip", HERE)


# As Amazon Trust Services publishes them: Amazon Root CA 1 to 4, and the older root of Starfield that signs the first.
AMAZON = {
    "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
    "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
    "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
    "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
    "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
}


def test_a_package_trusts_the_roots_of_aws_and_no_other():
    text = (stack.ROOT / "infra" / ROOTS).read_text(encoding="ascii")
    found = re.findall("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", text, re.DOTALL)
    assert {hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest() for pem in found} == AMAZON


@linux
def test_a_package_that_would_not_run_is_refused(files, tmp_path):
    path: Path = tmp_path / "spoiled.zip"
    pack({PROGRAM: b"#!/bin/sh\n", "lib/other.so": b""}, path)
    found = faults(path, HERE)
    assert f"{LIBRARY} is missing" in found and any(f.startswith("bootstrap is no program") for f in found)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo(PROGRAM), files[LIBRARY])
    found = faults(path, HERE)
    assert {"bootstrap cannot be executed", "bootstrap needs libstdc++.so.6"} <= set(found)
    with path.open("r+b") as file:
        file.truncate(0)
    pack({"noise.txt": bytes(MOST_ZIPPED_BYTES + 1)}, path, level=0)
    assert any(f.endswith(f"bytes, {MOST_ZIPPED_BYTES} at most") for f in faults(path, HERE))


@linux
def test_a_program_that_cannot_unwind_is_refused(files):
    said = "ends with a panic, where it should answer 500 and go on"
    assert said not in unfit(PROGRAM, files[PROGRAM], HERE)
    # Renamed, the tables are not found: as in a program that has none.
    assert said in unfit(PROGRAM, files[PROGRAM].replace(b".gcc_except_table", b".gcc_exceptXtable"), HERE)


def code_uris() -> dict[str, str]:
    """Where the template looks for the package of each function."""
    resources = {n: r["Properties"] for n, r in stack.source()["Resources"].items() if r["Type"] == "AWS::Serverless::Function"}
    return {name: properties["CodeUri"] for name, properties in resources.items()}


def test_the_template_points_into_the_package():
    assert code_uris() == {name: f"../target/package/{stack.function_of(name)[0]}.zip" for name in code_uris()}
    assert {stack.function_of(name)[0] for name in code_uris()} == set(stack.packages())
    makefile = (stack.ROOT / "Makefile").read_text(encoding="utf-8")
    assert "--out target/package" in makefile
    packed = {word for name in ("FUNCTIONS", "MERGER") for word in re.findall(rf"^{name} := (.+)$", makefile, re.MULTILINE)[0].split()}
    assert packed == set(stack.packages())
    variables = stack.source()["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["STORECAST_ORT_LIBRARY"] == f"/var/task/{LIBRARY}"


def test_sam_uploads_packages_as_they_are(tmp_path):
    """Were they packed anew, unchanged code would be a release."""
    template = tmp_path / "infra" / "template.yaml"
    template.parent.mkdir()
    template.write_bytes(stack.TEMPLATE.read_bytes())
    for function in stack.packages():
        pack({PROGRAM: function.encode()}, tmp_path / "target" / "package" / f"{function}.zip")
    server = RecordingServer()
    try:
        s3 = boto3.client("s3", endpoint_url=server.url)
        s3.create_bucket(Bucket="packages", CreateBucketConfiguration={"LocationConstraint": stack.REGION})
        command = [Path(sys.executable).parent / "sam", "package", "--template-file", template, "--s3-bucket", "packages"]
        command += ["--region", stack.REGION, "--output-template-file", tmp_path / "packaged.yaml"]
        ran = subprocess.run(command, env={**os.environ, "AWS_ENDPOINT_URL": server.url}, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        packaged = yaml_parse((tmp_path / "packaged.yaml").read_text(encoding="utf-8"))["Resources"]
        for name in code_uris():
            function = stack.function_of(name)[0]
            _, _, bucket, key = packaged[name]["Properties"]["CodeUri"].split("/")
            uploaded = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            assert uploaded == (tmp_path / "target" / "package" / f"{function}.zip").read_bytes()
    finally:
        server.stop()
