#!/bin/bash
# Does what `python -m gateway` does, in the image of Envoy, which has no Python. SIGTERM alone would drop the requests
# in progress, so this script drains Envoy first, as gateway/drain.py does.
#
# When `provision` has written another configuration, it drains Envoy and starts it again with the new one.
set -u
files=/etc/levelgate
version=$(<$files/version)
source $files/settings.bash

admin() { # METHOD PATH
  exec 3<>/dev/tcp/127.0.0.1/9901 || return
  printf '%s %s HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n' "$1" "$2" >&3
  cat <&3
  exec 3>&-
} 2>/dev/null

has_requests() {
  [[ $(admin GET '/stats?filter=http.gateway.downstream_rq_active') != *': 0'* ]]
}

end() {
  admin POST /healthcheck/fail >/dev/null
  admin POST '/drain_listeners?graceful&skip_exit' >/dev/null
  sleep "$linger"
  deadline=$((SECONDS + most))
  while ((SECONDS < deadline)) && has_requests; do sleep 0.1; done
  kill -TERM $envoy 2>/dev/null
}

watch() {
  while [[ $(<$files/version) == "$version" ]]; do sleep 1; done
  echo 'gateway: the configuration has changed: draining Envoy and starting it again' >&2
  kill -HUP $$
}

is_asked= is_changed=
trap 'is_asked=1; trap "kill -KILL $envoy" TERM INT; trap "" HUP; end' TERM INT
trap 'is_changed=1; end' HUP

# At error level, the component `http` logs the path of a call, and with it the user.
envoy -c $files/envoy.yaml --log-level warning --component-log-level http:critical \
  --service-node "$version" --disable-hot-restart --drain-time-s "$linger" --drain-strategy immediate \
  --file-flush-interval-msec 1000 ${threads:+--concurrency "$threads"} &
envoy=$!
watch &
# A signal interrupts `wait` before Envoy has ended.
while kill -0 $envoy 2>/dev/null; do wait $envoy; code=$?; done
[[ $is_changed && ! $is_asked ]] && exec "$0"
[[ $is_asked && $code == 0 ]] && exit 0
exit $((code ? code : 1))
