#!/bin/bash
# roll.bash [SERVICE...]: replaces all instances of the services by instances of the current image and
# settings. For each service it starts as many spare instances as there are instances. When the gateway
# routes to the spare ones, it removes the instances, lets Compose create new ones, numbered from 1, and
# removes the spare ones. No request is lost, because an instance that is stopped first reports NOT_SERVING
# and lets its calls finish.
#
# If a spare instance does not become healthy, its last log lines are shown and it is removed. Nothing else
# has changed then.
#
# The variable COMPOSE has the command with its -p and -f; the default is docker-compose, then docker compose.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [[ -z ${COMPOSE:-} ]]; then
  COMPOSE=docker-compose
  command -v docker-compose >/dev/null || COMPOSE="docker compose"
fi
most_seconds=120
me=$$-$RANDOM
service=

say() { echo "roll: ${service:+$service: }$*" >&2; }

containers() { # FILTER...: ids of the service's containers
  docker ps -q --filter "label=com.docker.compose.project=$project" \
    --filter "label=com.docker.compose.service=$service" "$@"
}
instances() { containers --filter label=com.docker.compose.oneoff=False "$@"; } # [-a]
spares() { containers -a --filter "label=levelgate.spare${1:+=$1}"; } # [ROLL]: of one roll or of all

remove() { # CONTAINER...
  (($#)) || return 0
  docker stop -t 20 "$@" >/dev/null
  docker rm -f "$@" >/dev/null
}

compose() { # ARGUMENTS: shows the output of Compose only if it fails
  local output
  # COMPOSE is not quoted because it is a command with options.
  output=$($COMPOSE "$@" 2>&1 </dev/null) || { tail -n 20 <<<"$output" | cut -c1-500 >&2; return 1; }
}

routed() { # the addresses of the service that the gateway routes to
  docker exec "$gateway" bash -c \
    'exec 3<>/dev/tcp/127.0.0.1/9901; printf "GET /clusters HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n" >&3; cat <&3' |
    tr -d '\r' | sed -n "s/^$service::\(.*\):[0-9]*::health_flags::healthy$/\1/p"
}

explain() { # CONTAINER WHY
  say "a new instance $2; its last log lines:"
  docker logs --tail 20 "$1" 2>&1 | cut -c1-500 >&2
}

until_routed() { # CONTAINER...: fails with a message if the gateway cannot route to all of them
  local deadline=$((SECONDS + most_seconds)) seen each status restarts health address missing
  (($#)) || { say "no new instance was created"; return 1; }
  while :; do
    seen=$(routed) missing=
    for each in "$@"; do
      IFS='|' read -r status restarts health address < <(docker inspect -f \
        '{{.State.Status}}|{{.RestartCount}}|{{.State.Health.Status}}|{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$each")
      [[ $status == running && $restarts == 0 ]] || { explain "$each" "has ended"; return 1; }
      [[ $health != unhealthy ]] || { explain "$each" "is not healthy"; return 1; }
      grep -qxF "$address" <<<"$seen" || missing=$each
    done
    [[ $missing ]] || return 0
    ((SECONDS < deadline)) || { explain "$missing" "is not healthy for the gateway"; return 1; }
    sleep 0.5
  done
}

# Runs at the end of the script, also when the roll failed or was interrupted.
at_exit() {
  trap '' INT TERM HUP
  case $stage in
    adding)
      # shellcheck disable=SC2046
      remove $(spares $me) || true
      say "failed; the previous instances go on serving" ;;
    replacing) say "failed while instances were replaced; the spare instances serve until the next roll" ;;
  esac
}

roll() {
  local old_spares count left
  old_spares=$(spares) count=$(instances | wc -l) left=$(wc -w <<<"$old_spares")
  # A roll that was killed may have left only spare instances.
  ((count >= left)) || count=$left
  ((count)) || { say "is not running"; exit 1; }
  stage=adding
  for ((; count; count--)); do
    compose run -d -T --no-deps --use-aliases --label "levelgate.spare=$me" "$service" || exit 1
  done
  # The ids are separate words.
  # shellcheck disable=SC2046,SC2086
  {
    until_routed $(spares $me) || exit 1
    stage=replacing
    remove $old_spares $(instances -a)
    # Without --no-deps: Compose 2.26 stores the dependencies of an instance, and the next `up` would replace it.
    compose up -d --no-recreate "$service" || exit 1
    until_routed $(instances) || exit 1
    stage=
    remove $(spares $me)
  }
  echo "roll: $service: $(instances | wc -l) replaced"
}

exec 9<operations/deployment/roll.bash
! command -v flock >/dev/null || flock -n 9 || { say "another roll is running"; exit 1; }
gateway=$($COMPOSE ps -q gateway)
[[ $gateway ]] || { say "the gateway is not running"; exit 1; }
project=$(docker inspect -f '{{index .Config.Labels "com.docker.compose.project"}}' "$gateway")
stage=
trap at_exit EXIT
trap 'exit 130' INT TERM HUP
(($#)) || set -- $($COMPOSE config --services | grep -vxE 'provision|redis|operator|gateway' | sort)
for service in "$@"; do roll; done
