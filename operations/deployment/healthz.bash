#!/bin/bash
# healthz.bash PORT: succeeds if http://127.0.0.1:PORT/healthz answers 200. The images have no curl, and
# a probe in Python takes a hundred times as much CPU.
exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
printf 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
read -r -t 3 status <&3 || exit 1
echo "$status"
[[ $status == *" 200 "* ]]
