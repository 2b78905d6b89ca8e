#!/usr/bin/env bash
# A folder for the SQLite file of NAME, which its user alone may enter. As root; can be run again.
#
#   migrations/provision/sqlite.sh NAME USER /var/lib/amends
#
# Makes /var/lib/amends/NAME; the service's `--database` is /var/lib/amends/NAME/NAME.db. USER, a name or a number, is whom the
# service runs as, and nobody else does: for a new one `useradd --system --no-create-home USER` first.
set -euo pipefail
name=${1:?a name: of the service} user=${2:?whom the service runs as} folder=${3:?where its folder is made}
[[ $name =~ ^[a-z][a-z0-9_-]*$ ]] || { echo "a name has small letters, digits, _ and -" >&2; exit 2; }

install --directory --mode=0711 "$folder"
install --directory --mode=0700 --owner="$user" "$folder/$name"
# What lay open before, its log and its index included.
find "$folder/$name" -maxdepth 1 -type f -name "$name.db*" -exec chmod 0600 {} + -exec chown "$user" {} +
