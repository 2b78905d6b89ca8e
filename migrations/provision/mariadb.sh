#!/usr/bin/env bash
# One user and one database of its own for NAME on a MariaDB server. Can be run again.
#
#   AMENDS_PASSWORD=… migrations/provision/mariadb.sh NAME --host=db --user=admin --password
#
# What follows the name are options of `mariadb`. The user may come from everywhere, unless AMENDS_CLIENT_HOST says from where.
set -euo pipefail
name=${1:?a name: of the service, its user and its database}
shift
: "${AMENDS_PASSWORD:?the password that the service will use}"
# No _ either: in the name of a database in a grant it stands for any letter.
[[ $name =~ ^[a-z][a-z0-9]*$ ]] || { echo "a name has small letters and digits" >&2; exit 2; }
hex() { printf %s "$1" | od -An -tx1 -v | tr -d ' \n'; }

mariadb "$@" <<SQL
delimiter //
begin not atomic
    if substring_index(current_user(), '@', 1) = '$name' then
        signal sqlstate '45000' set message_text = 'a service is not the administrator';
    end if;
end //
delimiter ;
set @password = quote(unhex('$(hex "$AMENDS_PASSWORD")'));
set @user = concat('$name@', quote(unhex('$(hex "${AMENDS_CLIENT_HOST:-%}")')));
create database if not exists $name character set utf8mb4 collate utf8mb4_nopad_bin;
execute immediate concat('create user if not exists ', @user, ' identified by ', @password);
execute immediate concat('alter user ', @user, ' identified by ', @password);
-- Whatever he had before, here or elsewhere.
execute immediate concat('revoke all privileges, grant option from ', @user);
execute immediate concat('grant select, insert, update, delete, create, alter, drop, index, references on $name.* to ', @user);
SQL
