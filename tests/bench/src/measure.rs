//! What the kernel says of processes, files and the machine. Called by the town and the report. Must never know what
//! the processes do.

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
    time::Instant,
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Linux' USER_HZ, the same on every architecture that Rust's tier 1 knows.
const TICKS_PER_S: f64 = 100.0;
/// About what one commit writes.
const SYNCED_BYTES: usize = 20 * 1024;
const SYNCS: usize = 100;
/// statfs's number of a file system that is memory.
const TMPFS: i64 = 0x0102_1994;

/// What processes have used since they began.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Used {
    pub(crate) cpu_s: f64,
    /// The sum of each one's peak.
    pub(crate) peak_memory_mib: f64,
    /// The sum of what each has now.
    pub(crate) memory_mib: f64,
}

/// Where all this was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) cpu: String,
    pub(crate) kernel: String,
    /// How many wanted a core when the run began: above 0.5 others were at work too.
    pub(crate) load_before: f64,
    /// What it takes to make 20 KiB durable where the stores lie.
    pub(crate) sync_ms: f64,
    pub(crate) in_memory: bool,
}

/// Of these processes and all their descendants.
///
/// # Errors
/// One of them has ended.
pub(crate) fn used(roots: &[u32]) -> Result<Used> {
    let mut all = roots.to_vec();
    let parents = parents();
    let mut at = 0;
    while let Some(&parent) = all.get(at) {
        all.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    let mut sum = Used::default();
    for pid in all {
        match of(pid) {
            Ok(used) => {
                sum.cpu_s += used.cpu_s;
                sum.peak_memory_mib += used.peak_memory_mib;
                sum.memory_mib += used.memory_mib;
            }
            // A helper of a database may come and go meanwhile.
            Err(error) if roots.contains(&pid) => return Err(error),
            Err(_) => {}
        }
    }
    Ok(sum)
}

fn of(pid: u32) -> Result<Used> {
    let stat = stat(pid)?;
    let ticks = |field: usize| stat.get(field).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let mib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.trim().split(' ').next()?.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
    };
    // Fields 14 and 15 of proc(5); what ended children used (16, 17) is counted with their parent from then on.
    let cpu_s = (ticks(11) + ticks(12) + ticks(13) + ticks(14)) / TICKS_PER_S;
    Ok(Used { cpu_s, peak_memory_mib: mib("VmHWM:"), memory_mib: mib("VmRSS:") })
}

/// The fields behind the command's name, which may hold anything.
fn stat(pid: u32) -> Result<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid}"))?;
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    Ok(rest.split_whitespace().map(str::to_owned).collect())
}

fn parents() -> Vec<(u32, u32)> {
    let Ok(entries) = fs::read_dir("/proc") else { return vec![] };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, stat(pid).ok()?.get(1)?.parse().ok()?))).collect()
}

/// What a file or a folder takes, all in all.
pub(crate) fn bytes(path: &Path) -> u64 {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => {
            let entries = fs::read_dir(path).into_iter().flatten().flatten();
            entries.map(|entry| bytes(&entry.path())).sum()
        }
        Ok(found) => found.len(),
        Err(_) => 0,
    }
}

/// # Errors
/// The folder cannot be written to.
pub(crate) fn machine(folder: &Path) -> Result<Machine> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    Ok(Machine {
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        cpu: cpu.trim_start_matches(['\t', ' ', ':']).to_owned(),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        load_before: read("/proc/loadavg").split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0),
        sync_ms: sync_ms(&folder.join("synced"))?,
        in_memory: rustix::fs::statfs(folder)?.f_type == TMPFS,
    })
}

fn sync_ms(path: &Path) -> Result<f64> {
    let mut file = File::create(path)?;
    let mut times = vec![];
    for _ in 0..SYNCS {
        let began = Instant::now();
        file.write_all(&[7; SYNCED_BYTES])?;
        file.sync_all()?;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    fs::remove_file(path)?;
    times.sort_by(f64::total_cmp);
    Ok(times[SYNCS / 2])
}
