#!/usr/bin/env bash
# Runs `amiforge outdated` or `amiforge update`, and gives the result as outputs of the step and as its summary.
#
# Every input is a variable AMIFORGE_ACTION_…, and is passed on as one argument: none of them becomes part of a command
# line. The step fails where the command fails, and where a new version does not boot (exit code 3 of `update`); that
# something is outdated (exit code 3 of `outdated`) is a result.
set -euo pipefail

fail() {
  echo "::error::$1"
  exit 2
}

# The value of a switch.
is_true() {
  case $2 in
    true) return 0 ;;
    false) return 1 ;;
    *) fail "the input $1 is neither true nor false" ;;
  esac
}

# An output of the step. The delimiter cannot be guessed, so that no value can end early and name an output of its own.
output() {
  local delimiter
  delimiter=amiforge-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  printf '%s<<%s\n%s\n%s\n' "$1" "$delimiter" "$2" "$delimiter" >>"$GITHUB_OUTPUT"
}

command -v jq >/dev/null || fail "the action needs jq"
mkdir -p "$AMIFORGE_ACTION_WORK"
report=$AMIFORGE_ACTION_WORK/report.json
summary=$AMIFORGE_ACTION_WORK/summary.md
rm -f "$report" "$summary"

arguments=("--store=$AMIFORGE_ACTION_STORE" "--summary=$summary")
case $AMIFORGE_ACTION_MODE in
  outdated)
    if is_true security-only "$AMIFORGE_ACTION_SECURITY_ONLY"; then arguments+=(--security); fi
    ;;
  update)
    arguments+=("--out=$AMIFORGE_ACTION_OUT")
    if ! is_true boot "$AMIFORGE_ACTION_BOOT"; then arguments+=(--no-boot); fi
    if ! is_true publish "$AMIFORGE_ACTION_PUBLISH"; then arguments+=(--no-publish); fi
    if [ -n "$AMIFORGE_ACTION_REGION" ]; then arguments+=("--region=$AMIFORGE_ACTION_REGION"); fi
    if [ -n "$AMIFORGE_ACTION_NAME" ]; then arguments+=("--name=$AMIFORGE_ACTION_NAME"); fi
    if [ -n "$AMIFORGE_ACTION_EXPECT" ]; then arguments+=("--expect=$AMIFORGE_ACTION_EXPECT"); fi
    if [ -n "$AMIFORGE_ACTION_PARENT_BUNDLE" ]; then
      arguments+=("--parent-bundle=$AMIFORGE_ACTION_PARENT_BUNDLE")
    fi
    ;;
  *) fail "the input mode is neither outdated nor update" ;;
esac
while IFS= read -r argument; do
  if [ -n "$argument" ]; then arguments+=("$argument"); fi
done <<<"$AMIFORGE_ACTION_ARGUMENTS"

code=0
amiforge --json "$AMIFORGE_ACTION_MODE" "${arguments[@]}" -- "$AMIFORGE_ACTION_RECIPE" >"$report" || code=$?

if [ -s "$summary" ]; then
  cat "$summary" >>"$GITHUB_STEP_SUMMARY"
fi
output report "$report"
output summary "$summary"
# A failure is one JSON document too; without any there is nothing to give.
kind=$(jq -r 'if type != "object" then "none" elif has("error") then "error" else "result" end' "$report" 2>/dev/null) ||
  kind=none
if [ "$kind" != result ]; then exit "$((code ? code : 1))"; fi

get() {
  jq -r "$1" "$report"
}
if [ "$AMIFORGE_ACTION_MODE" = outdated ]; then
  case $code in
    0) changed=false outcome=current ;;
    3) changed=true outcome=outdated ;;
    *) exit "$code" ;;
  esac
  output changed "$changed"
  output outcome "$outcome"
  output security "$(get .security)"
  exit 0
fi
outcome=$(get .outcome)
case $outcome in
  published | built) changed=true ;;
  *) changed=false ;;
esac
output changed "$changed"
output outcome "$outcome"
output lock-changed "$(get .lock_changed)"
output security "$(get .security)"
output digest "$(get .sha256)"
output image-id "$(get '.published.image_id // .present // ""')"
output image-ids "$(jq -c '
  if .published then
    ([{key: .published.region, value: .published.image_id}]
      + [.published.copies[] | {key: .region, value: .image_id}]) | from_entries
  else {} end' "$report")"
exit "$code"
