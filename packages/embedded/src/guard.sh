#!/bin/sh
# Ends a service when its owner process is gone, because neither postgres nor redis-server detects that itself.
#
#   sh guard.sh PID SIGNAL:SECONDS...
#
# Standard input is a pipe whose other end only the owner holds. A line on it means that the service has ended; end of
# file means that the owner has: then each signal is sent in turn and given its seconds.
# Written in sh instead of node because each service needs one: it takes 1 ms to start and 1 MB of memory.
trap '' HUP INT TERM

pid=$1
shift
read -r _over && exit 0

# A zombie counts as gone: its new parent may never reap it (such as a container's first process).
is_gone() {
  kill -0 "$pid" 2>/dev/null || return 0
  [ -r "/proc/$pid/stat" ] && read -r _pid _name state _rest <"/proc/$pid/stat" && [ "$state" = Z ]
}

for step in "$@"; do
  kill -"${step%%:*}" "$pid" 2>/dev/null || exit 0
  # A stopped process handles signals only after SIGCONT.
  kill -CONT "$pid" 2>/dev/null
  tenths=$((${step##*:} * 10))
  while [ "$tenths" -gt 0 ]; do
    sleep 0.1
    is_gone && exit 0
    tenths=$((tenths - 1))
  done
done
