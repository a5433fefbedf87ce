#!/usr/bin/env bash
# The whole pipeline as one shell pipeline, with a budget of seconds. Usage: examples/pipeline.sh FOLDER
set -euo pipefail
cd "$1"

tnas prepare-data glyphs --quiet > /dev/null
checkpoint=$(tnas search --dataset glyphs --way 3 --shot 1 --query 5 --channels 8 \
  --tasks 8 --validate-every 8 --validation-tasks 4 --quiet)
tnas adapt "$checkpoint" --dataset glyphs --tasks 3 --json --quiet |
  tnas decode - --json --quiet |
  tnas train-eval - --limit 1 --tasks 8 --validation-tasks 4 --test-tasks 8 --query 5 --json --quiet |
  tnas report - --format markdown --quiet
