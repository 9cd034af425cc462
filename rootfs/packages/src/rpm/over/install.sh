# Runs rpm; it fails where a script of a package fails, too, which rpm only warns of (rpm, lib/rpmscript.c). The messages
# are untranslated: LC_ALL is set.
log=/.amiforge-scripts/log
status=0
failed=
"$@" >"$log" 2>&1 || status=$?
while IFS= read -r line; do
  printf '%s\n' "$line" >&2
  case $line in
    *"warning: %"*" scriptlet failed, "* | *"error: %"*" scriptlet failed, "* | *"error: lua script failed: "*) failed=$line ;;
    *"error: failed to exec scriptlet interpreter"*) failed=$line ;;
  esac
done <"$log"
[ -z "$failed" ] || printf 'a script of a package failed: %s\n' "$failed" >&2
[ "$status" -eq 0 ] && [ -z "$failed" ]
