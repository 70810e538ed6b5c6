#!/bin/sh
# Ends a service whose owner is gone, however it went: neither postgres nor redis-server notices that on its own.
#
#   sh guard.sh PID SIGNAL:SECONDS...
#
# Standard input is a pipe whose other end only the owner holds. A line on it means that the service is over,
# its end means that the owner is: then each signal is sent in turn, and given its seconds to work.
# It is sh and not node because there is one for each service: 1 ms to start, 1 MB to keep.
trap '' HUP INT TERM

pid=$1
shift
read -r _over && exit 0

# A dead process that its new parent has not buried yet (a container's first process may never) is gone too.
is_gone() {
  kill -0 "$pid" 2>/dev/null || return 0
  [ -r "/proc/$pid/stat" ] && read -r _pid _name state _rest <"/proc/$pid/stat" && [ "$state" = Z ]
}

for step in "$@"; do
  kill -"${step%%:*}" "$pid" 2>/dev/null || exit 0
  # A frozen process takes its signals only once it runs again.
  kill -CONT "$pid" 2>/dev/null
  tenths=$((${step##*:} * 10))
  while [ "$tenths" -gt 0 ]; do
    sleep 0.1
    is_gone && exit 0
    tenths=$((tenths - 1))
  done
done
