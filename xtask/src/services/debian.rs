//! Debian's packages.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::process::{command, output, succeeds};

/// Whether it is there, with the package installed first where it is not.
pub fn got(package: &str, is_there: impl Fn() -> bool) -> bool {
    is_there() || (install(package) && is_there())
}

/// Where we are root on a Debian; says whether that went well.
fn install(package: &str) -> bool {
    // Services are installed side by side, and apt is one at a time.
    static APT: Mutex<()> = Mutex::new(());
    let _alone = APT.lock().unwrap_or_else(PoisonError::into_inner);
    let run = |program: &str, arguments: &[&str]| command(program, arguments, Path::new("/"));
    let is_root = output(run("id", &["-u"])).is_some_and(|id| id.trim() == "0");
    let apt = |arguments: &[&str]| {
        let mut apt = run("apt-get", arguments);
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        succeeds(apt).unwrap_or(false)
    };
    let get = ["install", "--quiet", "--yes", "--no-install-recommends", package];
    let is_installed = is_root && apt(&["update", "--quiet"]) && apt(&get);
    if is_installed {
        println!("installed Debian's package {package}");
    }
    is_installed
}
