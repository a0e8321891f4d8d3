//! Packages of others, pinned, installed below the target folder.

use std::path::{Path, PathBuf};

use crate::process::{command, succeeds};
use crate::tools;

/// The files of a folder, where what they leave behind is no part of the project.
pub fn copied(from: &Path, to: &Path) -> Result<PathBuf, String> {
    let text = |error: std::io::Error| format!("{}: {error}", to.display());
    std::fs::create_dir_all(to).map_err(text)?;
    for entry in std::fs::read_dir(from).map_err(text)? {
        let path = entry.map_err(text)?.path();
        if let (true, Some(name)) = (path.is_file(), path.file_name()) {
            std::fs::copy(&path, to.join(name)).map_err(text)?;
        }
    }
    Ok(to.to_owned())
}

/// The same with their packages of npm. Installed once for one lock file.
pub fn install_npm(from: &Path, to: &Path) -> Result<PathBuf, String> {
    let to = copied(from, to)?;
    once(&to.join("package-lock.json"), &to.join("installed"), || {
        succeeds(command("npm", &["ci", "--no-audit", "--no-fund", "--loglevel=error"], &to))
    })?;
    Ok(to)
}

/// Installs, unless the stamp says that it was done for the same list.
pub fn once(list: &Path, stamp: &Path, install: impl Fn() -> Result<bool, String>) -> Result<(), String> {
    let wanted = std::fs::read_to_string(list).map_err(|error| format!("{}: {error}", list.display()))?;
    if std::fs::read_to_string(stamp).is_ok_and(|done| done == wanted) {
        return Ok(());
    }
    if !install()? {
        return Err(format!(
            "what {} lists could not be installed; is the package registry reachable, and: {}",
            list.display(),
            tools::JUDGES_NEED
        ));
    }
    std::fs::write(stamp, wanted).map_err(|error| error.to_string())
}
