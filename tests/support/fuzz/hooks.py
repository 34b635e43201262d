"""Keeps the fuzzer's own device alive: where it would be deactivated, the other one is."""

import os

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    own = os.environ["FUZZ_OWN_DEVICE"]
    if case.operation.path == "/api/devices/{id}/deactivate":
        if str(case.path_parameters.get("id", "")).lower() == own:
            case.path_parameters["id"] = os.environ["FUZZ_OTHER_DEVICE"]
