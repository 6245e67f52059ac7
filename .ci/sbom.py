"""Writes sbom.json: a software bill of materials in CycloneDX 1.5, made from constraints.txt alone.

The same pins make the same bytes: no time and no serial number.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

ROOT = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
PIN = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^\s;]+)(?P<rest>(?:.*\\\n)*.*)", re.MULTILINE)
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def component(pin: re.Match[str]) -> dict[str, object]:
    """Returns a pinned package with the digests of all files that may be installed for it."""
    name, version = pin["name"], pin["version"]
    return {
        "type": "library",
        "bom-ref": f"pkg:pypi/{name}@{version}",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
        "hashes": [{"alg": "SHA-256", "content": one} for one in HASH.findall(pin["rest"])],
    }


def main() -> None:
    """Writes the file beside constraints.txt."""
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "vye_pipeline"}},
        "components": [component(pin) for pin in PIN.finditer(pins)],
    }
    (ROOT / "sbom.json").write_text(json.dumps(bill, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
