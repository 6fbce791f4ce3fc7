"""Refuse dependencies whose licence is not known to be compatible with Apache-2.0 distribution.

Reads what `pip-licenses --from=all --with-system --format=json` prints, on standard input. Every installed
distribution must say a licence of `ALLOWED`; GPL, AGPL, BSL, SSPL, Elastic, "UNKNOWN" and everything that
nobody has looked at yet are refused by not being there.
"""

import json
import re
import sys

OURS = frozenset({"caudal"})

ALLOWED = frozenset(
    {
        # SPDX identifiers
        *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0", "MIT-CMU"),
        *("MPL-2.0", "PostgreSQL", "PSF-2.0", "Python-2.0", "Unlicense", "Zlib"),
        *("LGPL-2.1-only", "LGPL-2.1-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later"),
        # trove classifiers
        *("Apache Software License", "BSD License", "ISC License (ISCL)", "MIT License", "Public Domain"),
        *("Mozilla Public License 2.0 (MPL 2.0)", "Python Software Foundation License"),
        "GNU Lesser General Public License v2 or later (LGPLv2+)",
        "GNU Lesser General Public License v3 (LGPLv3)",
        "GNU Lesser General Public License v3 or later (LGPLv3+)",
        "3-Clause BSD License",  # as protobuf writes it
        "Apache License, Version 2.0",  # as cvxpy writes it
    }
)

READ = {"interpret-core": "MIT"}
"""What distributions that say nothing of their licence have in their repository, read there by a person."""

NO_LICENCES = frozenset({"DFSG approved", "OSI Approved"})
"""Classifiers that approve of licences and name none."""


def is_allowed(package: dict[str, str]) -> bool:
    """Whether the best thing that `package` says about its licence is in `ALLOWED` throughout."""
    expression = package["License-Expression"]
    said = {expression, package["License-Classifier"], package["License-Metadata"]}
    if said == {"UNKNOWN"}:
        expression = READ.get(package["Name"], "UNKNOWN")
    if expression != "UNKNOWN":
        return satisfies(expression)
    classifiers = package["License-Classifier"]
    if classifiers != "UNKNOWN":
        names = [name for name in classifiers.split("; ") if name not in NO_LICENCES]
        if names:
            return all(name in ALLOWED for name in names)
    # Free text; some put the whole licence there, whose first line is its name.
    first_line = package["License-Metadata"].strip().splitlines()[:1]
    return bool(first_line) and satisfies(first_line[0].strip())


def satisfies(expression: str) -> bool:
    """Whether an SPDX expression can be met by allowed licences: one side of OR, both of AND."""
    if expression in ALLOWED:
        return True
    if "(" in expression:
        return False  # none of ours is nested; whoever needs it reads the licence first
    return any(
        all(name.strip() in ALLOWED for name in re.split(r"\s+AND\s+", side))
        for side in re.split(r"\s+OR\s+", expression)
    )


def main() -> int:
    """Print every distribution that is refused; 1 if there is one, or none at all was read."""
    packages = json.load(sys.stdin)
    refused = [package for package in packages if package["Name"] not in OURS and not is_allowed(package)]
    for package in refused:
        said = " / ".join(
            package[source].strip().splitlines()[0][:80]
            for source in ("License-Expression", "License-Classifier", "License-Metadata")
        )
        print(f"{package['Name']} {package['Version']}: licence not allowed: {said}", file=sys.stderr)
    if not packages:
        print("no distributions were read", file=sys.stderr)
    return 1 if refused or not packages else 0


if __name__ == "__main__":
    sys.exit(main())
