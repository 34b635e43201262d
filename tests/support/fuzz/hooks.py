"""Lets half of the requests name what exists, and keeps the fuzzer's own device alive: the other one is deactivated."""

import itertools
import json
import os
from collections import defaultdict

import schemathesis

IDS = json.loads(os.environ["FUZZ_IDS"])
"""By the beginning of a path, or by the name of a field of bodies and queries."""
TURNS = defaultdict(itertools.count)
"""By operation: every second request names what exists, one after another."""


def name_known(fields, turn, ids_of):
    for name, value in (fields.items() if isinstance(fields, dict) else ()):
        ids = ids_of(name)
        if ids:
            known = ids[turn // 2 % len(ids)]
            fields[name] = [known] if isinstance(value, list) else known


@schemathesis.hook
def before_call(context, case, kwargs):
    path = case.operation.path
    turn = next(TURNS[case.operation.label])
    if turn % 2 == 0:
        in_path = next((ids for start, ids in IDS.items() if "/" in start and path.startswith(start)), [])
        # What is deleted is gone for all requests after it: one of each kind is enough.
        in_path = in_path[-1:] if case.method == "DELETE" else in_path
        name_known(case.path_parameters, turn, lambda _: in_path)
        name_known(case.body, turn, IDS.get)
        name_known(case.query, turn, IDS.get)
    if path == "/api/devices/{id}/deactivate":
        if str(case.path_parameters.get("id", "")).lower() == os.environ["FUZZ_OWN_DEVICE"]:
            case.path_parameters["id"] = os.environ["FUZZ_OTHER_DEVICE"]
