//! The configuration: precedence, sources, and what is said when it is wrong.

use crate::shell::Shell;

const FILE: &str = "\
[server]
listen = \"127.0.0.1:1001\"
[store]
path = \"data/sagas.db\"
[limits]
drain = \"3s\"
[services.bank-a]
url = \"http://127.0.0.1:9/base\"
contract = \"barrier\"
timeout = \"750ms\"
reject_on = [400, 409]
";

#[test]
fn without_anything_there_are_defaults() {
    let shown = Shell::new().amends(&["config", "show"]);
    shown.expect(0).prints("listen = \"127.0.0.1:7070\"  # default").prints("path = \"amends.db\"  # default");
}

#[test]
fn flags_go_over_the_environment_over_the_file_over_defaults() {
    let mut shell = Shell::new();
    shell.file("amends.toml", FILE);
    let file = shell.amends(&["config", "show"]);
    file.expect(0)
        .prints("listen = \"127.0.0.1:1001\"  # file amends.toml")
        .prints("max_live_sagas = 10000  # default")
        .prints("# file amends.toml")
        .prints("[services.bank-a]")
        .prints("reject_on = [400, 409]");
    assert!(file.stdout.contains("timeout = \"750ms\""), "{file:#?}");

    shell.env("AMENDS__SERVER__LISTEN", "127.0.0.1:1002");
    shell.env("AMENDS__LIMITS__MAX_LIVE_SAGAS", "7");
    shell.env("AMENDS__SERVICES__BANK_A__URL", "http://127.0.0.1:8");
    let env = shell.amends(&["config", "show"]);
    env.expect(0)
        .prints("listen = \"127.0.0.1:1002\"  # environment AMENDS__SERVER__LISTEN")
        .prints("# environment AMENDS__LIMITS__MAX_LIVE_SAGAS")
        .prints("# environment AMENDS__SERVICES__BANK_A__URL");
    assert!(!env.stdout.contains("bank_a"), "the variable meant the service of the file: {env:#?}");

    let flag = shell.amends(&["config", "show", "--listen", "127.0.0.1:1003", "--database", "x.db"]);
    flag.expect(0)
        .prints("listen = \"127.0.0.1:1003\"  # flag --listen")
        .prints("path = \"x.db\"  # flag --database")
        .prints("# environment AMENDS__LIMITS__MAX_LIVE_SAGAS");
}

#[test]
fn what_is_shown_can_be_read_back() {
    let shell = Shell::new();
    shell.file("one.toml", FILE);
    let shown = shell.amends(&["config", "show", "--config", "one.toml"]);
    shell.file("two.toml", &shown.expect(0).stdout);
    let again = shell.amends(&["config", "show", "--config", "two.toml"]);
    let values =
        |text: &str| text.lines().map(|line| line.split("  #").next().unwrap_or("").to_owned()).collect::<Vec<_>>();
    assert_eq!(values(&shown.stdout), values(&again.expect(0).stdout));
}

#[test]
fn a_relative_path_in_a_file_is_relative_to_the_file() {
    let shell = Shell::new();
    let file = shell.file("etc/amends.toml", FILE);
    let expected = file.parent().expect("a folder").join("data/sagas.db");
    let shown = shell.amends(&["config", "show", "--config", "etc/amends.toml"]);
    shown.expect(0).prints(&format!("path = \"{}\"", expected.display()));
}

#[test]
fn every_mistake_is_named_with_its_key_and_its_place() {
    let cases = [
        (
            "[sevrer]\nlisten = \"127.0.0.1:1\"",
            "`sevrer` is no key of the configuration; did you mean `server`? (in file amends.toml)",
        ),
        ("[server]\nlisen = \"127.0.0.1:1\"", "`server.lisen` is no key of the configuration; did you mean `listen`?"),
        ("[server]\nlisten = \"localhost\"", "`server.listen`: `localhost` is no address: write IP:PORT"),
        ("[limits]\ndrain = 10", "`limits.drain`: `10` is no duration: a bare number has no unit: write 10s or 10ms"),
        ("[limits]\nmax_live_sagas = 0", "`limits.max_live_sagas`: 0 would start nothing"),
        ("[services.x]\ntimeout = \"1s\"", "`services.x.url` is missing"),
        ("[services.x]\nurl = \"ftp://h\"", "`services.x.url`: url `ftp://h`"),
        (
            "[services.x]\nurl = \"http://h\"\ncontract = \"barier\"",
            "`services.x.contract`: `barier` is not one of plain, barrier",
        ),
        ("[server\n", "amends.toml"),
    ];
    for (file, words) in cases {
        let shell = Shell::new();
        shell.file("amends.toml", file);
        shell.amends(&["config", "check"]).expect(1).says(words);
    }
}

#[test]
fn a_mistake_in_the_environment_names_the_variable() {
    let mut shell = Shell::new();
    shell.env("AMENDS__LIMITS__DRAIN", "soon");
    shell
        .amends(&["config", "check"])
        .expect(1)
        .says("`soon` is no duration")
        .says("(in environment AMENDS__LIMITS__DRAIN)");
    let mut shell = Shell::new();
    shell.env("AMENDS__LIMITS__DRIAN", "1s");
    shell.amends(&["config", "check"]).expect(1).says("did you mean `drain`?").says("AMENDS__LIMITS__DRIAN");
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let shell = Shell::new();
    shell
        .amends(&["config", "check", "--config", "nowhere.toml"])
        .expect(1)
        .says("there is no configuration file nowhere.toml");
    shell.amends(&["config", "check"]).expect(0).says("the configuration is valid");
}

#[test]
fn a_database_url_is_shown_without_what_is_secret_in_it() {
    let mut shell = Shell::new();
    shell.env("AMENDS__STORE__URL", "postgres://amends:hunter2@db.internal:5432/sagas?sslpassword=hunter3");
    let shown = shell.amends(&["config", "show"]);
    shown.expect(0).prints("url = \"postgres://…@db.internal:5432/sagas\"");
    assert!(!format!("{shown:?}").contains("hunter"), "{shown:#?}");

    let flag = shell.amends(&["config", "show", "--database", "postgresql://other:hunter4@db2/sagas"]);
    flag.expect(0).prints("url = \"postgresql://…@db2/sagas\"");
    assert!(!flag.stdout.contains("hunter"), "{flag:#?}");

    let file = shell.amends(&["config", "show", "--database", "mine.db"]);
    file.expect(0).prints("path = \"mine.db\"");
    assert!(!file.stdout.contains("postgres"), "a file on the command line wins over a URL below it: {file:#?}");
}

#[test]
fn leases_that_cannot_be_kept_and_urls_that_are_none_are_refused() {
    let shell = Shell::new();
    shell.file("amends.toml", "[lease]\nduration = \"2s\"\nrenew_every = \"1s\"\n");
    shell.amends(&["config", "show"]).expect(1).says("at least two renewals must fit into a lease");
    shell.file("amends.toml", "[store]\nurl = \"mysql://u:hunter2@db/sagas\"\n");
    let refused = shell.amends(&["config", "show"]);
    refused.expect(1).says("write postgres://user:password@host:port/database");
    assert!(!refused.stderr.contains("hunter2"), "{refused:#?}");
    shell.file("amends.toml", "[store]\nlanes = 0\n");
    shell.amends(&["config", "show"]).expect(1).says("0 is not between 1 and 16");
    shell.file("amends.toml", "[retention]\nkeep = \"30\"\n");
    shell.amends(&["config", "show"]).expect(1).says("retention.keep");
}
