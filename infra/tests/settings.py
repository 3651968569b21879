"""What a function is told by its environment, as the code and the template say."""

from __future__ import annotations

import re
from pathlib import Path

from stack import ROOT, Stack

CONFIG = ROOT / "shared" / "aws" / "src" / "config.rs"


def settings_of(made: Stack, resource: str, outputs: dict[str, str], program: Path) -> dict[str, str]:
    """The environment that the template gives a function, in a stack with these outputs.

    The one path in it is looked for beside the program; an ordinary build has nothing there, and the setting is optional.
    """
    variables = made.resources[resource]["Properties"]["Environment"]["Variables"]
    buckets = {"<ModelBucket>": outputs["ModelBucketName"], "<DataBucket>": outputs["DataBucketName"]}
    names = {"<Table>": outputs["TableName"], "<PredictionsTable>": outputs["PredictionsTableName"], **buckets}
    settings = {name: names.get(value, value) for name, value in variables.items()}
    library = program.parent / Path(settings["STORECAST_ORT_LIBRARY"]).relative_to("/var/task")
    return {**settings, "STORECAST_ORT_LIBRARY": str(library) if library.is_file() else ""}


def documented() -> dict[str, bool]:
    """Settings that `config.rs` documents, and whether they are required."""
    text = CONFIG.read_text(encoding="utf-8")
    found = re.findall(r"/// `(STORECAST_[A-Z_]+)`(, optional)?:", text)
    return {name: not optional for name, optional in found}


def read() -> set[str]:
    """Settings that the code of `config.rs` names outside of its comments and tests."""
    code = CONFIG.read_text(encoding="utf-8").split("#[cfg(test)]")[0]
    lines = [line for line in code.splitlines() if not line.lstrip().startswith("//")]
    return set(re.findall(r'"(STORECAST_[A-Z_]+)"', "\n".join(lines)))
