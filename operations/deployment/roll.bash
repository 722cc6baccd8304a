#!/bin/bash
# roll.bash SERVICE...: replaces every instance of these services by one of the present image and
# settings. Beside the instances of a service as many spare ones are started; when the gateway chooses
# from those, the instances end, Compose makes new ones, numbered from 1, and the spare ones end. No request
# is lost: an instance that is told to stop says NOT_SERVING and lets its calls finish.
#
# A spare one that does not come up is shown with its last lines and removed; nothing else has changed then.
#
# COMPOSE names the command, with its -p and -f; without it: docker-compose, else docker compose.
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
spares() { containers -a --filter "label=levelgate.spare${1:+=$1}"; } # [WHOSE]

remove() { # CONTAINER...
  (($#)) || return 0
  docker stop -t 20 "$@" >/dev/null
  docker rm -f "$@" >/dev/null
}

compose() { # ARGUMENTS: shows what Compose says only if it fails
  local output
  # COMPOSE is split on purpose: a command and its options.
  output=$($COMPOSE "$@" 2>&1 </dev/null) || { tail -n 20 <<<"$output" | cut -c1-500 >&2; return 1; }
}

chosen() { # the addresses of the service that the gateway chooses from
  docker exec "$gateway" bash -c \
    'exec 3<>/dev/tcp/127.0.0.1/9901; printf "GET /clusters HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n" >&3; cat <&3' |
    tr -d '\r' | sed -n "s/^$service::\(.*\):[0-9]*::health_flags::healthy$/\1/p"
}

explain() { # CONTAINER WHY
  say "a new instance $2; its last lines:"
  docker logs --tail 20 "$1" 2>&1 | cut -c1-500 >&2
}

until_chosen() { # CONTAINER...: fails, and says why, when one of them cannot be
  local deadline=$((SECONDS + most_seconds)) seen each status restarts health address missing
  (($#)) || { say "no new instance is there"; return 1; }
  while :; do
    seen=$(chosen) missing=
    for each in "$@"; do
      IFS='|' read -r status restarts health address < <(docker inspect -f \
        '{{.State.Status}}|{{.RestartCount}}|{{.State.Health.Status}}|{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$each")
      [[ $status == running && $restarts == 0 ]] || { explain "$each" "ends"; return 1; }
      [[ $health != unhealthy ]] || { explain "$each" "is not healthy"; return 1; }
      grep -qxF "$address" <<<"$seen" || missing=$each
    done
    [[ $missing ]] || return 0
    ((SECONDS < deadline)) || { explain "$missing" "is not seen healthy by the gateway"; return 1; }
    sleep 0.5
  done
}

# What a roll that fails, or is told to end, leaves behind.
leave() {
  trap '' INT TERM HUP
  case $stage in
    adding)
      # shellcheck disable=SC2046
      remove $(spares $me) || true
      say "failed; the instances are the ones from before" ;;
    replacing) say "failed while instances were replaced; the spare ones serve until the next roll" ;;
  esac
}

roll() {
  local old_spares count left
  old_spares=$(spares) count=$(instances | wc -l) left=$(wc -w <<<"$old_spares")
  # A roll that was killed may have left nothing but spare ones.
  ((count >= left)) || count=$left
  ((count)) || { say "does not run"; exit 1; }
  stage=adding
  for ((; count; count--)); do
    compose run -d -T --no-deps --use-aliases --label "levelgate.spare=$me" "$service" || exit 1
  done
  # Ids are words.
  # shellcheck disable=SC2046,SC2086
  {
    until_chosen $(spares $me) || exit 1
    stage=replacing
    remove $old_spares $(instances -a)
    # Not with --no-deps, as Compose 2.26 notes an instance's dependencies: the next `up` would replace it.
    compose up -d --no-recreate "$service" || exit 1
    until_chosen $(instances) || exit 1
    stage=
    remove $(spares $me)
  }
  echo "roll: $service: $(instances | wc -l) replaced"
}

exec 9<operations/deployment/roll.bash
! command -v flock >/dev/null || flock -n 9 || { say "another roll is under way"; exit 1; }
gateway=$($COMPOSE ps -q gateway)
[[ $gateway ]] || { say "the gateway does not run"; exit 1; }
project=$(docker inspect -f '{{index .Config.Labels "com.docker.compose.project"}}' "$gateway")
stage=
trap leave EXIT
trap 'exit 130' INT TERM HUP
(($#)) || set -- $($COMPOSE config --services | grep -vxE 'provision|redis|operator|gateway' | sort)
for service in "$@"; do roll; done
