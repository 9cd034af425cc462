"""Checks logs of SARIF by the schema that OASIS publishes, with its formats (uri, date-time).
usage: sarif.py SCHEMA LOG..."""
import json
import sys

import jsonschema

with open(sys.argv[1], encoding="utf-8") as file:
    schema = json.load(file)
kind = jsonschema.validators.validator_for(schema)
kind.check_schema(schema)
checker = kind(schema, format_checker=kind.FORMAT_CHECKER)
for name in sys.argv[2:]:
    with open(name, encoding="utf-8") as file:
        log = json.load(file)
    wrong = [f"{name}: {error.json_path}: {error.message}" for error in checker.iter_errors(log)]
    if wrong:
        sys.exit("\n".join(wrong))
    # The check can fail: a log without what the schema requires is none.
    for path in (("version",), ("runs",), ("runs", 0, "tool"), ("runs", 0, "results", 0, "message")):
        damaged = json.loads(json.dumps(log))
        place = damaged
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]
        assert not checker.is_valid(damaged), f"{name} without {path} is accepted"
    print(f"{name}: {len(log['runs'][0]['results'])} results")
