"""What a function is told by its environment, as the code and the template say."""

from __future__ import annotations

import re
from pathlib import Path

from stack import ROOT, Stack

CONFIG = ROOT / "shared" / "aws" / "src" / "config.rs"
# Of the function that merges orders.
MERGING = CONFIG.parent / "config" / "merging.rs"


def settings_of(made: Stack, resource: str, outputs: dict[str, str], program: Path) -> dict[str, str]:
    """The environment that the template gives a function, in a stack with these outputs.

    The one path in it is looked for beside the program; an ordinary build has nothing there, and the setting is optional.
    """
    variables = made.resources[resource]["Properties"]["Environment"]["Variables"]
    buckets = {"<ModelBucket>": outputs["ModelBucketName"], "<DataBucket>": outputs["DataBucketName"]}
    names = {"<Table>": outputs["TableName"], "<PredictionsTable>": outputs["PredictionsTableName"], **buckets}
    settings = {}
    for name, value in variables.items():
        for place, made_as in names.items():
            value = value.replace(place, made_as)
        settings[name] = value
    if "STORECAST_ORT_LIBRARY" not in settings:
        return settings
    library = program.parent / Path(settings["STORECAST_ORT_LIBRARY"]).relative_to("/var/task")
    return {**settings, "STORECAST_ORT_LIBRARY": str(library) if library.is_file() else ""}


def documented(file: Path = CONFIG) -> dict[str, bool]:
    """Settings that the code documents, and whether they are required."""
    text = file.read_text(encoding="utf-8")
    found = re.findall(r"/// `(STORECAST_[A-Z_]+)`(, optional)?:", text)
    return {name: not optional for name, optional in found}


def read(file: Path = CONFIG) -> set[str]:
    """Settings that the code names outside of its comments and tests."""
    code = file.read_text(encoding="utf-8").split("#[cfg(test)]")[0]
    lines = [line for line in code.splitlines() if not line.lstrip().startswith("//")]
    return set(re.findall(r'"(STORECAST_[A-Z_]+)"', "\n".join(lines)))
