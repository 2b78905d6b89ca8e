//! All credentials at all stores: exactly the diagonal is open.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use anyhow::Result;

use crate::ground::{self, OWNERS, Place, Store, Town};

/// # Errors
/// A store neither lets somebody in nor refuses him.
fn assert_diagonal(stores: &[Store], holders: &[&str]) -> Result<()> {
    let mut open = vec![];
    for store in stores {
        for holder in holders {
            if store.opens_for(holder)? {
                open.push((*holder, store.owner));
            }
        }
    }
    let expected: Vec<_> = stores.iter().map(|store| store.owner).filter(|owner| holders.contains(owner)).collect();
    assert_eq!(open, expected.into_iter().map(|owner| (owner, owner)).collect::<Vec<_>>());
    Ok(())
}

fn all_at(place: &Place) -> Result<Vec<Store>> {
    let stores = OWNERS.map(|owner| Store { owner, place: place.clone() });
    for store in &stores {
        store.provision()?;
        // What is there already is made what it should be.
        store.provision()?;
    }
    Ok(stores.into())
}

#[tokio::test]
async fn on_one_postgresql_server_every_role_opens_its_own_database_and_no_other() -> Result<()> {
    let server = ground::postgres().await?;
    let stores = all_at(&Place::Postgres(server.port()))?;
    assert_diagonal(&stores, &OWNERS)?;
    for common in ["postgres", "template1"] {
        let store = Store { owner: common, place: Place::Postgres(server.port()) };
        assert!(!store.opens_for("orders")?, "the database {common} is nobody's");
    }
    // The control: one right too many, and the check sees it.
    let admin = server.url();
    let grant = ["--no-psqlrc", "--command", "grant connect, temporary on database payments to orchestrator", &admin];
    ground::done(&Command::new("psql").args(grant).output()?)?;
    assert!(stores[1].opens_for("orchestrator")?, "the check would not notice");
    Ok(())
}

#[tokio::test]
async fn on_one_mariadb_server_every_user_opens_its_own_database_and_no_other() -> Result<()> {
    let server = ground::mariadb().await?;
    let stores = all_at(&Place::Mariadb(server.port()))?;
    assert_diagonal(&stores, &OWNERS)?;
    server.say("grant create on inventory.* to orders@'127.0.0.1'")?;
    assert!(stores[2].opens_for("orders")?, "the check would not notice");
    // Provisioning again takes away what was too much.
    stores[0].provision()?;
    assert_diagonal(&stores, &OWNERS)
}

#[tokio::test]
async fn on_one_redis_server_every_user_opens_its_own_prefix_and_no_other() -> Result<()> {
    let server = ground::redis().await?;
    let stores = all_at(&Place::Redis(server.port()))?;
    assert_diagonal(&stores, &OWNERS)?;
    let nobody = server.say(&["get", "{orders}:probe"])?;
    assert!(nobody.starts_with("-NOAUTH"), "who has no name is let in: {nobody}");
    let port = server.port().to_string();
    let client = ["-p", &port, "--user", "admin", "--pass", "of-admin", "--no-auth-warning"];
    let grant = ["acl", "setuser", "shipping", "~{orders}:*"];
    ground::done(&Command::new("redis-cli").args(client).args(grant).output()?)?;
    assert!(stores[0].opens_for("shipping")?, "the check would not notice");
    stores[3].provision()?;
    assert_diagonal(&stores, &OWNERS)
}

/// Whoever is not root can be nobody else, and then the modes must do: what they mean the kernel knows.
#[test]
fn a_sqlite_file_is_opened_by_the_user_of_its_service_and_by_no_other() -> Result<()> {
    let folder = tempfile::TempDir::with_prefix("amends-files-")?;
    let place = Place::Sqlite(folder.path().to_owned());
    if !ground::is_root() {
        let me = rustix::process::geteuid().as_raw().to_string();
        let mut made = Command::new(ground::root().join("migrations/provision/sqlite.sh"));
        ground::done(&made.args(["orders", &me]).arg(folder.path()).output()?)?;
        assert_eq!(fs::metadata(folder.path().join("orders"))?.permissions().mode() & 0o777, 0o700);
        return Ok(());
    }
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755))?;
    let stores = all_at(&place)?;
    assert_diagonal(&stores, &OWNERS)?;
    let orders = folder.path().join("orders");
    fs::set_permissions(&orders, PermissionsExt::from_mode(0o777))?;
    fs::set_permissions(orders.join("orders.db"), PermissionsExt::from_mode(0o666))?;
    assert!(stores[0].opens_for("payments")?, "the check would not notice");
    stores[0].provision()?;
    assert_diagonal(&stores, &OWNERS)
}

/// As they are run: orders and the orchestrator on PostgreSQL, payments on MariaDB, inventory on Redis.
#[tokio::test]
async fn no_credential_opens_a_store_on_another_engine() -> Result<()> {
    let town = Town::start().await?;
    let mut stores = town.provision()?;
    stores.retain(|store| !matches!(store.place, Place::Sqlite(_)));
    assert_eq!(stores.len(), 4);
    assert_diagonal(&stores, &OWNERS)
}
