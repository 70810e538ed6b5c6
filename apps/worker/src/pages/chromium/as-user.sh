#!/bin/sh
# Starts Chromium as an unprivileged user, with its sandbox, which it refuses to root. The profile's folder, which whoever
# starts it has made, is handed over. Told by the environment: CHROMIUM, PAGES_UID, PAGES_GID.
for argument in "$@"; do
  case $argument in
    --user-data-dir=*) chown -R "$PAGES_UID:$PAGES_GID" "${argument#*=}" ;;
  esac
done
exec setpriv --reuid="$PAGES_UID" --regid="$PAGES_GID" --clear-groups "$CHROMIUM" "$@"
