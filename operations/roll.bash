#!/bin/bash
# roll.bash SERVICE...: replaces every instance of these services by one of the present image and
# settings, one after another, and goes on only when the gateway has taken up the new one. No request
# is lost: an instance that is told to stop says NOT_SERVING and lets its calls finish.
#
# COMPOSE names the command, with its -p and -f; without it: docker-compose, else docker compose.
set -euo pipefail
cd "$(dirname "$0")/.."
if [[ -z ${COMPOSE:-} ]]; then
  COMPOSE=docker-compose
  command -v docker-compose >/dev/null || COMPOSE="docker compose"
fi
most_seconds=120

healthy() { # SERVICE: how many instances the gateway would choose from
  $COMPOSE exec -T gateway bash -c \
    'exec 3<>/dev/tcp/127.0.0.1/9901; printf "GET /clusters HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n" >&3; cat <&3' |
    grep -c "^$1::[^:]*:[0-9]*::health_flags::healthy" || true
}

wait_for() { # SERVICE COUNT
  local deadline=$((SECONDS + most_seconds))
  until [[ $(healthy "$1") == "$2" ]]; do
    ((SECONDS < deadline)) || { echo "roll: $1: the gateway does not see $2 healthy instances" >&2; exit 1; }
    sleep 0.5
  done
}

(($#)) || set -- upbot_checks member_level shop_level
for service in "$@"; do
  read -r -d '' -a old < <($COMPOSE ps -q "$service") || true
  ((${#old[@]})) || { echo "roll: $service does not run" >&2; exit 1; }
  for container in "${old[@]}"; do
    # COMPOSE is split on purpose: a command and its options.
    $COMPOSE up -d --no-deps --no-recreate --scale "$service=$((${#old[@]} + 1))" "$service" >/dev/null 2>&1
    wait_for "$service" $((${#old[@]} + 1))
    docker stop -t 20 "$container" >/dev/null
    docker rm "$container" >/dev/null
    wait_for "$service" ${#old[@]}
  done
  echo "roll: $service: ${#old[@]} replaced"
done
