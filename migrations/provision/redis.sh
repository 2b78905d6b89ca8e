#!/usr/bin/env bash
# One user for NAME on a Redis server, held to keys that begin with `{NAME}:`. Can be run again.
#
#   AMENDS_PASSWORD=… migrations/provision/redis.sh NAME -h cache --user admin --askpass
#   AMENDS_PASSWORD=… migrations/provision/redis.sh --admin admin -h cache      first: a user for this, and nobody without a name
#
# What follows the name are options of `redis-cli`. The server must run with `appendonly yes`, `appendfsync always` and, if
# its memory has a limit, `maxmemory-policy noeviction`: a service looks, and does not start otherwise.
set -euo pipefail
admin=
if [[ ${1:-} == --admin ]]; then
    admin=1
    shift
fi
name=${1:?a name: of the service and its user}
shift
: "${AMENDS_PASSWORD:?the password that the service will use}"
[[ $name =~ ^[a-z][a-z0-9_-]*$ ]] || { echo "a name has small letters, digits, _ and -" >&2; exit 2; }
hash=$(printf %s "$AMENDS_PASSWORD" | sha256sum | cut -d ' ' -f 1)

# redis-cli says "OK", or what is wrong, with exit code 0.
say() {
    local answer
    answer=$(redis-cli "${options[@]}" "$@" 2>&1)
    [[ $answer == OK ]] || { echo "$answer" >&2; return 1; }
}
options=("$@")
[[ $(redis-cli "${options[@]}" acl whoami) != "$name" ]] || { echo "a service is not the administrator" >&2; exit 2; }

if [[ $admin ]]; then
    say acl setuser "$name" reset on "#$hash" '~*' '&*' '+@all'
    options+=(--user "$name" --pass "$AMENDS_PASSWORD" --no-auth-warning)
    # The user who has no name: whoever gets to the server is him, until now. Shut out, but with all his rights: it is as him
    # that the server reads its append-only file, and what a user may not do in a transaction it leaves out, without a word.
    say acl setuser default off '~*' '&*' '+@all'
else
    say acl setuser "$name" reset on "#$hash" "~{$name}:*" resetchannels \
        -@all +@read +@write +@connection -@dangerous -function +eval +evalsha '+script|load' '+config|get'
fi
# Users are kept where the server keeps them: in its file of users, or in its configuration.
say acl save 2>/dev/null || say config rewrite 2>/dev/null ||
    echo "the server has no file to keep its users in: they are gone when it is started again" >&2
