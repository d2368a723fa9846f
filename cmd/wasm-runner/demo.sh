#!/bin/sh
# Shows the main uses on a simulated org, which ends with this script: read its log, look up a user, and try a write
# that is not granted. make run calls it. It fails if a step has another exit code than expected.
#
#   sh cmd/wasm-runner/demo.sh [bin/wasm-runner]
set -eu
unset WASM_RUNNER_MODULE # the script shows the embedded module
[ -z "${DEMO_MODULE:-}" ] || export WASM_RUNNER_MODULE="$DEMO_MODULE" # for tests of a runner without one
runner=${1:-bin/wasm-runner}
work=$(mktemp -d)
org=
trap '[ -z "$org" ] || { kill "$org" 2>/dev/null; wait "$org" 2>/dev/null; }; rm -rf "$work"' EXIT

explain() { printf '\n# %s\n' "$*"; }
# run CODE ARGS… prints a command, runs it, prints the beginning of its output, and checks that its exit code is CODE.
run() {
  want=$1
  shift
  printf '$ wasm-runner'
  for arg; do
    case $arg in *[\{\ ]*) printf " '%s'" "$arg" ;; *) printf ' %s' "$arg" ;; esac
  done
  echo
  code=0
  (cd "$work" && "$runner" --config okta.yaml "$@" >out 2>err) || code=$?
  cut -c 1-160 "$work/out" | head -n 8
  lines=$(wc -l <"$work/out")
  if [ "$lines" -gt 8 ]; then echo "… $lines lines in all"; fi
  cat "$work/err"
  if [ "$code" -ne 0 ]; then echo "[exit code $code]"; fi
  if [ "$code" -ne "$want" ]; then echo "demo: want exit code $want, found $code" >&2; exit 1; fi
}

case $runner in /*) ;; *) runner=$PWD/$runner ;; esac
"$runner" simulate --connection-file "$work/okta.yaml" >/dev/null &
org=$!
while [ ! -e "$work/okta.yaml" ]; do
  kill -0 "$org" # stop if it has ended
  sleep 0.05
done

explain "Does the connection to the org work? (wasm-runner simulate runs in the background; okta.yaml is its connection file.)"
run 0 check
explain "The org's System Log, one JSON object a line. The checkpoint file holds the position."
run 0 source poll_system_log_page --checkpoint cp.json
explain "A second run writes only new events: there are none."
run 0 source poll_system_log_page --checkpoint cp.json
explain "One user, by login. The token that the request carried never entered the sandbox."
run 0 invoke lookup_user '{"user":"ada.lovelace@example.com"}'
explain "Users as rows."
run 0 table list_users --columns login,status,created --limit 5
if (cd "$work" && "$runner" --config okta.yaml sql 'SELECT 1' >/dev/null 2>&1); then # DuckDB may not be in this build
  explain "The same as SQL: how many users there are in each state."
  run 0 sql 'SELECT status, count(*) AS users FROM okta.users GROUP BY status ORDER BY users DESC, status'
fi
explain "A write that is not granted is denied before anything is sent."
run 3 invoke deactivate_user '{"user":"alan.turing@example.com"}'
explain "Granted for this run, it succeeds."
run 0 --grant destructive invoke deactivate_user '{"user":"alan.turing@example.com"}'
explain "Once more: the user is already deactivated, so nothing is sent, and the outcome is unchanged."
run 0 --grant destructive invoke deactivate_user '{"user":"alan.turing@example.com"}'
explain "The log has the new events of this change."
run 0 source poll_system_log_page --checkpoint cp.json
