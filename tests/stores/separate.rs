//! `amends services check` against services on their engines: silent while each has its own, and loud at each thing that may be
//! wrong with that.

use std::{fmt::Write as _, fs, process::Command, time::Duration};

use amends_tests::{
    port, process,
    town::{Plan, Town},
};
use anyhow::Result;
use serde_json::Value;

use crate::ground::{self, Store, root};

const WITHIN: Duration = Duration::from_secs(60);

struct Checked {
    code: Option<i32>,
    text: String,
}

impl Checked {
    /// Each finding as `service code`.
    fn findings(&self) -> Vec<String> {
        let report: Value = serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text));
        let word = |value: &Value| value.as_str().expect("a text").to_owned();
        let rows = report["services"].as_array().expect("a list").iter();
        rows.flat_map(|row| {
            let findings = row["findings"].as_array().expect("a list").iter();
            findings.map(|finding| format!("{} {}", word(&row["service"]), word(&finding["code"])))
        })
        .collect()
    }
}

async fn check(config: &str, credentials: Option<&str>, more: &[&str]) -> Result<Checked> {
    let folder = tempfile::tempdir()?;
    let write = |name: &str, text: &str| -> Result<String> {
        let file = folder.path().join(name);
        fs::write(&file, text)?;
        Ok(file.display().to_string())
    };
    let config = write("amends.toml", config)?;
    let mut asked = vec!["services", "check", "--config", &config];
    let credentials = credentials.map(|text| write("stores.toml", text)).transpose()?;
    asked.extend(credentials.iter().flat_map(|file| ["--credentials", file]));
    let ended = process::ended("amends", &[&asked, more].concat(), WITHIN).await?;
    let said = format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    for secret in ground::OWNERS {
        assert!(!said.contains(&ground::password(secret)), "a password is shown: {said}");
    }
    Ok(Checked {
        code: ended.status.code(),
        text: if more.is_empty() { said } else { String::from_utf8(ended.stdout)? },
    })
}

fn catalogue(town: &Town) -> String {
    let mut config = String::new();
    for (name, service) in &town.services {
        let address = service.process.address();
        writeln!(config, "[services.{name}]\nurl = \"http://{address}\"\ncontract = \"barrier\"").expect("a text");
    }
    config
}

fn credentials(stores: &[Store]) -> String {
    stores.iter().map(|store| format!("{} = \"{}\"\n", store.owner, store.address())).collect()
}

const JSON: [&str; 2] = ["--format", "json"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_services_on_four_engines_are_separate_and_one_right_too_many_is_found() -> Result<()> {
    let engines = ground::Town::start().await?;
    let stores = engines.provision()?;
    let addresses = stores.iter().map(|store| (store.owner, store.address())).collect();
    let town = Town::start(Plan::orders().on(addresses)).await?;
    let (config, known) = (catalogue(&town), credentials(&stores));

    let good = check(&config, Some(&known), &[]).await?;
    assert_eq!(good.code, Some(0), "{}", good.text);
    assert!(
        good.text.contains("4 services, 0 errors, 0 warnings; 16 credentials were tried at stores"),
        "{}",
        good.text
    );
    for kind in ["postgres", "mysql", "redis", "sqlite"] {
        assert!(good.text.contains(kind), "{}", good.text);
    }

    // The orchestrator may look into a service's store.
    let grant =
        ["--no-psqlrc", "--command", "grant connect on database orders to orchestrator", &engines.postgres.url()];
    ground::done(&Command::new("psql").args(grant).output()?)?;
    // Payments may not be alone with its database, and its file lies open.
    engines.mariadb.say(
        "create user orders@'127.0.0.1' identified by 'of-orders'; grant select on payments.* to orders@'127.0.0.1'",
    )?;
    let file = engines.folder.path().join("shipping/shipping.db");
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    let bad = check(&config, Some(&known), &JSON).await?;
    let found = ["orders foreign-credential", "payments foreign-credential", "shipping open-file"];
    assert_eq!((bad.code, bad.findings()), (Some(1), found.map(str::to_owned).into()), "{}", bad.text);

    // A credential that opens something else than the service runs on, one that opens nothing, and a server that is not there.
    let wrong = known
        .replace("of-orders@", "of-nobody@")
        .replace(&format!(":{}/payments", engines.mariadb.port()), &format!(":{}/payments", port::free()?.port()))
        .replace(
            &stores[2].address(),
            &format!("redis://admin:of-admin@127.0.0.1:{}/0?prefix=other", engines.redis.port()),
        );
    let redis = ["-p", &engines.redis.port().to_string(), "--user", "admin", "--pass", "of-admin", "--no-auth-warning"];
    let other = Command::new("redis-cli").args(redis).args(["set", "{other}:store", "another"]).output()?;
    ground::done(&other)?;
    let wrong = check(&config, Some(&wrong), &JSON).await?.findings();
    for finding in ["orders own-credential", "payments not-tried", "inventory other-store"] {
        assert!(wrong.contains(&finding.to_owned()), "{finding}: {wrong:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_that_share_a_store_that_have_no_barrier_and_that_are_away_are_found() -> Result<()> {
    let engines = ground::Town::start().await?;
    let orders = &engines.provision()?[0];
    let town = Town::start(Plan::orders().on([("orders", orders.address())].into())).await?;
    // Another one of orders, on the database of the first, and one on a file of its own.
    let folder = tempfile::tempdir()?;
    let start = async |name: &str, database: String| {
        let log = folder.path().join(name);
        let arguments = vec!["--database".to_owned(), database];
        let binary = "amends-orders";
        process::Process::start(process::Program { binary, arguments, log, log_filter: None, environment: vec![] })
            .await
    };
    let shares = start("shares", orders.address()).await?;
    let alone = start("alone", folder.path().join("alone.db").display().to_string()).await?;
    let config = format!(
        "{}[services.shares]\nurl = \"http://{}\"\ncontract = \"barrier\"\n[services.alone]\nurl = \"http://{}\"\n\
         [services.again]\nurl = \"http://{}\"\n[services.page]\nurl = \"http://{}/nowhere\"\n\
         [services.dark]\nurl = \"http://{}/nowhere\"\ncontract = \"barrier\"\n[services.away]\nurl = \"http://{}\"\n",
        catalogue(&town),
        shares.address(),
        alone.address(),
        alone.address(),
        alone.address(),
        alone.address(),
        port::free()?,
    );
    let checked = check(&config, None, &JSON).await?;
    let mut found = checked.findings();
    found.sort();
    let expected =
        ["away unreachable", "dark no-barrier", "orders shared-store", "page no-barrier", "shares shared-store"];
    assert_eq!((checked.code, found), (Some(1), expected.map(str::to_owned).into()), "{}", checked.text);
    let report: Value = serde_json::from_str(&checked.text)?;
    assert_eq!((&report["errors"], &report["warnings"]), (&4.into(), &1.into()), "plain services need no barrier");
    let usage = check("", None, &[]).await?;
    assert_eq!(usage.code, Some(2), "{}", usage.text);
    let usage = check(&config, Some("orders = \"ftp://x:of-orders@y\""), &[]).await?;
    assert_eq!(usage.code, Some(2), "{}", usage.text);
    assert!(root().join("docs/stores.md").is_file(), "the help names it");
    Ok(())
}
