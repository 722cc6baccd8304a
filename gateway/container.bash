#!/bin/bash
# Envoy in its own image, which has no Python: what `python -m gateway` does there, without hot
# restarts. SIGTERM alone would drop the requests under way, so it drains first; gateway/drain.py says how.
set -u
linger=${GATEWAY_LINGER_SECONDS:-1} most=${GATEWAY_DRAIN_SECONDS:-5}

admin() { # METHOD PATH
  exec 3<>/dev/tcp/127.0.0.1/9901 || return
  printf '%s %s HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n' "$1" "$2" >&3
  cat <&3
  exec 3>&-
} 2>/dev/null

are_under_way() {
  [[ $(admin GET '/stats?filter=http.gateway.downstream_rq_active') != *': 0'* ]]
}

end() {
  trap 'kill -KILL $envoy' TERM INT
  admin POST /healthcheck/fail >/dev/null
  admin POST '/drain_listeners?graceful&skip_exit' >/dev/null
  sleep "$linger"
  deadline=$((SECONDS + ${most%.*}))
  while ((SECONDS < deadline)) && are_under_way; do sleep 0.1; done
  kill -TERM $envoy 2>/dev/null
}
is_asked=
trap 'is_asked=1; end' TERM INT

# At error level `http` names the path that was called, and with it the user.
envoy -c /etc/levelgate/envoy.yaml --log-level warning --component-log-level http:critical \
  --disable-hot-restart --drain-time-s "$linger" --drain-strategy immediate \
  --file-flush-interval-msec 1000 ${GATEWAY_WORKER_THREADS:+--concurrency "$GATEWAY_WORKER_THREADS"} &
envoy=$!
# A signal ends a wait before Envoy has ended.
while kill -0 $envoy 2>/dev/null; do wait $envoy; code=$?; done
[[ $is_asked && $code == 0 ]] && exit 0
exit $((code ? code : 1))
