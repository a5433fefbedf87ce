"""Every record that leaves a command, as a frozen dataclass with a version; one reader and one writer of JSON lines.

How to make one: call its class with keywords; mypy says which are missing. Names of fields are the keys of the JSON.

* `Adapted`, `Decoded`, `FixedNetwork`, `Step`, `Validated` are what passes between commands and into logs (`kinds`).
* The last record of a command is its result (`results`): `SearchResult`, `AdaptResult`, `TrainResult` (from scratch
  and inherited), `SupervisedResult`, `TransferResult`; those of other commands are in `other_results`, and what `tnas
  report` and `tnas cite` print in `reported`.
* Lists are tuples: `theta`, `support_losses`, `per_genotype`. Parts are classes of their own (`parts`):

      AdaptResult(..., mean=0.98, interval=0.004, environment=Environment(device="cpu", threads=2),
                  budget=Budget(search=Amount(amount=8000, unit="tasks")))
      Step(stage="search", tasks=400, values={"loss": 0.3, "tasks/s": 51.0})

* `environment` and a step's `values` are flat in the JSON, beside the other keys; in Python each is one attribute.
* `dataclasses.replace(record, seed=1)` makes another one; `record.to_json()` gives plain values for `json.dumps`.
* `reading.read(path)` gives a list of records, `read(path, kind=Adapted)` only those; `reading.parse(values)` makes
  one from plain values, also of version 1; `writing.line(record)` is one line of a file.

A field without a default is always written, even as null; a field that equals its default is left out. A reader keeps
fields that it does not know in `extra`, and they are written again.
"""
