"""Reads stestr's subunit stream and prints one line of JSON for each test as it ends."""

import json
import sys

import subunit
import testtools


def reason_of(details):
    """What the test says of its end: the reason of a skip, or a traceback."""
    texts = [
        content.as_text().strip()
        for name, content in sorted(details.items())
        if name.startswith(("reason", "traceback"))
    ]
    return "\n".join(texts)


def show(test):
    if test["status"] == "exists":  # Only announced: it is yet to run.
        return
    start, stop = test["timestamps"]
    outcome = {
        "id": test["id"],
        "status": test["status"],
        "seconds": (stop - start).total_seconds() if start and stop else None,
        "reason": reason_of(test["details"]),
    }
    print(json.dumps(outcome), flush=True)


result = testtools.StreamToDict(show)
result.startTestRun()
subunit.ByteStreamToStreamResult(sys.stdin.buffer, non_subunit_name="output").run(result)
result.stopTestRun()
