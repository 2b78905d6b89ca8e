//! One server per file: a lock of the operating system on a file beside it. It ends with the process, however that ends.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use crate::StoreError;

/// The right to serve a database file, held for life.
#[derive(Debug)]
pub(super) struct ServerLock {
    _file: File,
}

impl ServerLock {
    /// Takes the lock of the database at `canonical`, or says who has it.
    pub(super) fn take(canonical: &Path) -> Result<Self, StoreError> {
        let path = lock_path(canonical);
        let refused = |source: io::Error| StoreError::Refused {
            reason: format!("cannot lock {}: {source}; its folder must be writable", path.display()),
        };
        // Not truncated before the lock is ours: what is in it is the holder's.
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(refused)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Refused { reason: taken(canonical, &path, &holder(&mut file)) });
            }
            Err(TryLockError::Error(source)) => return Err(refused(source)),
        }
        file.set_len(0).map_err(refused)?;
        write!(file, "process {}", std::process::id()).map_err(refused)?;
        Ok(Self { _file: file })
    }
}

fn lock_path(canonical: &Path) -> PathBuf {
    let mut path = canonical.as_os_str().to_owned();
    path.push(".lock");
    path.into()
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    // Where locks are mandatory the holder's file cannot be read; then nobody is named.
    match file.take(64).read_to_string(&mut text) {
        Ok(length) if length > 0 => text,
        Ok(_) | Err(_) => "another process".to_owned(),
    }
}

fn taken(canonical: &Path, lock: &Path, holder: &str) -> String {
    format!(
        "{} is being served by {holder}, which holds {}; stop it first, or give this server a file of its own \
         (many nodes on one database need PostgreSQL)",
        canonical.display(),
        lock.display(),
    )
}
