"""Checks bundles as docs/bundle.md says, and by nothing else: written from that page and the specifications that it names.

Each line of the input is {"bundle": FOLDER, "policy": FILE or null}; the answer is a line {"outcome", "why"}. The outcome is
`good`, `different`, or `not-checked` where the page says that a reader has to stop. What is in file systems is outside of the page.
With "origins": true in place of a policy the form of origins.txt is checked, which is no part of a verification.
"""

import json
import sys
from pathlib import Path

from book import attestations, files, image, manifest, names, signatures, table
from book.words import Different, NotChecked


def check(folder, policy):
    """The checks in the order of the page."""
    found = files.read(Path(folder))
    if policy is not None:
        signatures.check(found, Path(policy))
    else:
        signatures.check_unasked(found)
    found.compare()
    document = manifest.read(found)
    found.expect_documents(document)
    image.check(found, document)
    table.check(found, document)
    names.check_tree(found, document)
    attestations.check(found, document, policy and Path(policy))


def answer(request):
    """The outcome for a request."""
    try:
        if request.get("origins"):
            names.check_origins(files.read(Path(request["bundle"])))
        else:
            check(request["bundle"], request["policy"])
    except Different as error:
        return {"outcome": "different", "why": str(error)}
    except NotChecked as error:
        return {"outcome": "not-checked", "why": str(error)}
    return {"outcome": "good", "why": ""}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
