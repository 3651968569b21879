"""An issuer of tokens for the stack on this machine: it makes a key, and signs tokens with it.

`keys` writes a new key, and what the gateway checks with, into a folder; `token` prints a token that is signed with it. Nothing beyond
this machine trusts either.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

ISSUER, AUDIENCE = "https://issuer.local", "shop"


def make_keys(folder: Path) -> RSAKey:
    """A new key in `key.json`, its public half as the set of an issuer in `jwks.json`."""
    key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)
    folder.mkdir(parents=True, exist_ok=True)
    private = folder / "key.json"
    private.touch(mode=0o600)
    private.write_text(json.dumps(key.as_dict(private=True)), encoding="utf-8")
    public = KeySet([key]).as_dict(private=False)
    (folder / "jwks.json").write_text(json.dumps(public, indent=2), encoding="utf-8")
    return key


def sign(key: RSAKey, seconds: int = 3600, **changes: Any) -> str:
    """A token that the stack lets in, but for the claims that are changed; one that is None is left out."""
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "iat": min(now, now + seconds - 1), "exp": now + seconds, **changes}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["keys", "token"])
    parser.add_argument("--folder", type=Path, default=Path(".storecast/issuer"))
    given = parser.parse_args()
    if given.what == "keys":
        make_keys(given.folder)
    else:
        private = json.loads((given.folder / "key.json").read_text(encoding="utf-8"))
        print(sign(RSAKey.import_key(private)))


if __name__ == "__main__":
    main()
