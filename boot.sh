#!/bin/sh
# Makes "configure" and the "Makefile.in" from their sources.
set -e
cd "$(dirname "$0")"
for tool in autoconf automake; do
    if ! command -v $tool >/dev/null; then
        echo "$0: $tool is missing; install it with: apt-get install $tool" >&2
        exit 1
    fi
done
exec autoreconf --install --force
