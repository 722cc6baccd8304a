#!/bin/bash
# healthz.bash PORT: 0 if http://127.0.0.1:PORT/healthz says 200. For images without curl; a probe in
# Python would cost a hundred times as much.
exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
printf 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
read -r -t 3 status <&3 || exit 1
echo "$status"
[[ $status == *" 200 "* ]]
