#!/bin/sh
# Starts Chromium as an unprivileged user, since its sandbox does not run as root. The profile directory, created by the
# caller, is given to that user. Environment: CHROMIUM, PAGES_UID, PAGES_GID.
for argument in "$@"; do
  case $argument in
    --user-data-dir=*) chown -R "$PAGES_UID:$PAGES_GID" "${argument#*=}" ;;
  esac
done
exec setpriv --reuid="$PAGES_UID" --regid="$PAGES_GID" --clear-groups "$CHROMIUM" "$@"
