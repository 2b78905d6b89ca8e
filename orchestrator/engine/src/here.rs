//! Who this process is on its machine, so that a process that comes after it can tell that it is gone: then its lease need
//! not be waited for. Only a process of the same boot and the same process namespace can tell; to all others the lease says it.
//!
//! **What it must never know:** leases, sagas.

use std::{fs, path::Path};

use rustix::process::{Pid, getpid};

/// In a node's name, after words for people: `<boot> <pid namespace> <pid> <start time>`.
const MARK: &str = " @ ";

/// A node's name: `words`, and what proves later that this process is gone. Where that cannot be had, only the words.
pub(crate) fn name(words: &str) -> String {
    let words = words.replace(MARK, " ");
    match Here::read(getpid()) {
        Some(here) => format!("{words}{MARK}{} {} {} {}", here.boot, here.namespace, here.pid, here.started),
        None => words,
    }
}

/// What a node's name says to people.
pub fn words(name: &str) -> &str {
    name.split(MARK).next().unwrap_or_default()
}

/// Whether the process of this name ran here and runs no more. `false`: it runs, or that cannot be told from here.
pub(crate) fn is_gone(name: &str) -> bool {
    let Some(other) = name.split_once(MARK).and_then(|(_, mark)| Here::parse(mark)) else { return false };
    let Some(me) = Here::read(getpid()) else { return false };
    if (&other.boot, &other.namespace) != (&me.boot, &me.namespace) {
        return false;
    }
    // A pid is given out again: then it is another process, which started at another time.
    let pid = other.pid;
    !Path::new(&format!("/proc/{pid}")).exists() || started(pid).is_some_and(|started| started != other.started)
}

#[derive(Debug, PartialEq, Eq)]
struct Here {
    boot: String,
    namespace: String,
    pid: i32,
    /// In clock ticks since the boot.
    started: u64,
}

impl Here {
    fn read(pid: Pid) -> Option<Self> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned();
        let namespace = fs::read_link("/proc/self/ns/pid").ok()?.to_string_lossy().into_owned();
        let pid = pid.as_raw_nonzero().get();
        Some(Self { boot, namespace, pid, started: started(pid)? })
    }

    fn parse(mark: &str) -> Option<Self> {
        let mut parts = mark.split(' ').map(str::to_owned);
        let (boot, namespace) = (parts.next()?, parts.next()?);
        let (pid, started) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Self { boot, namespace, pid, started }).filter(|_| parts.next().is_none())
    }
}

/// Field 22 of `/proc/<pid>/stat`, counted behind the command's name, which may have anything in it.
fn started(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_living_process_is_not_gone_and_an_ended_one_is() {
        assert!(!is_gone(&name("me")));
        let mut child = Command::new("sleep").arg("60").spawn().expect("starts");
        let pid = i32::try_from(child.id()).expect("a pid");
        let here = Here::read(Pid::from_raw(pid).expect("a pid")).expect("on Linux");
        let named = format!("child @ {} {} {} {}", here.boot, here.namespace, here.pid, here.started);
        assert!(!is_gone(&named));
        child.kill().expect("ends");
        child.wait().expect("ended");
        assert!(is_gone(&named));
    }

    #[test]
    fn a_pid_that_is_another_process_now_does_not_keep_the_first_alive() {
        let mut here = Here::read(getpid()).expect("on Linux");
        here.started += 1;
        assert!(is_gone(&format!("x @ {} {} {} {}", here.boot, here.namespace, here.pid, here.started)));
    }

    #[test]
    fn of_another_machine_boot_or_container_nothing_can_be_told() {
        let here = Here::read(getpid()).expect("on Linux");
        for foreign in [
            format!("x @ other-boot {} 1 1", here.namespace),
            format!("x @ {} pid:[1] 999999 1", here.boot),
            "x".to_owned(),
            "x @ ".to_owned(),
            format!("x @ {} {} 999999", here.boot, here.namespace),
            format!("x @ {} {} 999999 1 more", here.boot, here.namespace),
        ] {
            assert!(!is_gone(&foreign), "{foreign}");
        }
        assert_eq!(words(&name("host @ 1 2")), "host 1 2");
    }
}
