//! Files that are named on a command line: their text, or why there is none and what may be meant.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow};

/// The text of a file.
///
/// # Errors
/// It is not there, or cannot be read.
pub(crate) fn text(path: &Path) -> anyhow::Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(anyhow!(absent(path))),
        Err(_) if path.is_dir() => {
            let shown = path.display();
            Err(anyhow!("{shown} is a folder, and a file is wanted; name its files, e.g. {shown}/*.yaml"))
        }
        read => read.with_context(|| format!("cannot read {}", path.display())),
    }
}

/// What is said of a path that is not there.
pub(crate) fn absent(path: &Path) -> String {
    let hint = match near(path) {
        Some(near) => format!("did you mean {}?", near.display()),
        None if path.is_absolute() => "see whether the path is right".to_owned(),
        None => match std::env::current_dir() {
            Ok(here) => format!("it is looked for in {}", here.display()),
            Err(_) => "see whether the path is right".to_owned(),
        },
    };
    format!("no such file or folder: {}\n  hint: {hint}", path.display())
}

/// What has the same name but for its extension, in the same folder.
fn near(path: &Path) -> Option<PathBuf> {
    let stem = path.file_stem()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let entries = fs::read_dir(folder.unwrap_or(Path::new("."))).ok()?;
    let names = entries.filter_map(|entry| entry.ok().map(|entry| PathBuf::from(entry.file_name())));
    let mut alike: Vec<PathBuf> = names.filter(|name| name.file_stem() == Some(stem)).collect();
    alike.sort();
    let name = alike.into_iter().next()?;
    Some(folder.map_or_else(|| name.clone(), |folder| folder.join(&name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_said_with_what_may_be_meant() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("pay.yaml"), "saga: pay").expect("written");
        let told = |name: &str| text(&folder.path().join(name)).map_err(|error| error.to_string());
        assert_eq!(told("pay.yaml").as_deref(), Ok("saga: pay"));
        for name in ["pay", "pay.yml"] {
            let why = told(name).expect_err("it is not there");
            assert!(why.starts_with("no such file or folder: ") && why.contains("pay.yaml?"), "{why}");
        }
        assert!(told("nowhere").expect_err("it is not there").contains("hint: "), "{:?}", told("nowhere"));
        assert!(absent(Path::new("nowhere")).contains("it is looked for in /"), "{}", absent(Path::new("nowhere")));
        assert!(text(folder.path()).expect_err("a folder").to_string().contains("is a folder"));
    }
}
