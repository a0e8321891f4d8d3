//! A PostgreSQL server of one's own, from the binaries of Debian's package. Standard library only: the adapter's
//! tests use it too.
//!
//! Its user and its database are called `octocity`, and it asks for a password, also from this machine. Texts sort by a
//! language's rules unless a column says otherwise, as in most servers out there.

use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian's packages put one folder a version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// As whom it runs where we are root: `initdb` and `postgres` refuse root.
const USER: &str = "postgres";

/// The folder of the newest version's programs.
pub fn binaries() -> Result<PathBuf, String> {
    let versions = std::fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.map(|entry| entry.path()).filter(|path| path.join("bin/initdb").exists());
    newest.max_by_key(|path| version(path)).map(|path| path.join("bin")).ok_or_else(|| {
        "lacking: PostgreSQL 15 or newer. To get it on Debian: apt-get install --yes postgresql".to_owned()
    })
}

pub struct Cluster {
    binaries: PathBuf,
    folder: PathBuf,
    /// User and group id of whom it runs as, where that is not us.
    runs_as: Option<(u32, u32)>,
}

impl Cluster {
    /// Makes it where there is none; the folder becomes the property of whom it runs as.
    pub fn open(folder: &Path) -> Result<Self, String> {
        let fault = |error: std::io::Error| format!("{}: {error}", folder.display());
        let is_root = std::fs::metadata("/proc/self").map_err(fault)?.uid() == 0;
        let runs_as = if is_root { Some(user()?) } else { None };
        let cluster = Self { binaries: binaries()?, folder: folder.to_owned(), runs_as };
        if cluster.data().join("PG_VERSION").exists() {
            return Ok(cluster);
        }
        std::fs::create_dir_all(folder).map_err(fault)?;
        if let Some((uid, gid)) = runs_as {
            chown(folder, Some(uid), Some(gid)).map_err(fault)?;
        }
        cluster.make()?;
        Ok(cluster)
    }

    fn make(&self) -> Result<(), String> {
        let password = self.password_file();
        let script = "umask 077; head -c 24 /dev/urandom | base64 >\"$1\"";
        self.run(self.command("sh").args(["-c", script, "sh"]).arg(&password))?;
        // Half a cluster, of an `initdb` that was stopped, is no cluster.
        let _ = std::fs::remove_dir_all(self.data());
        let options = ["--encoding=UTF8", "--locale-provider=icu", "--icu-locale=en", "--locale=C.UTF-8"];
        self.run(
            self.command("initdb")
                .arg("--pgdata")
                .arg(self.data())
                .args(["--username=octocity", "--auth=scram-sha-256", "--no-instructions"])
                .arg("--pwfile")
                .arg(password)
                .args(options),
        )
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub fn password_file(&self) -> PathBuf {
        self.folder.join("password")
    }

    pub fn password(&self) -> Result<String, String> {
        let path = self.password_file();
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(text.trim().to_owned())
    }

    pub fn running(&self) -> bool {
        self.run(self.control("status")).is_ok()
    }

    /// Returns once it takes connections.
    pub fn start(&self, port: u16) -> Result<(), String> {
        // No socket file: its path may be longer than the system allows.
        let options = format!("-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''");
        let log = self.folder.join("log");
        self.run(self.control("start").args(["--wait", "--silent", "-o", &options, "--log"]).arg(&log))
            .map_err(|error| format!("{error}\n{}", std::fs::read_to_string(&log).unwrap_or_default()))?;
        self.make_database(port)
    }

    /// Ends it, if it runs: its clients are cut off.
    pub fn stop(&self) -> Result<(), String> {
        match self.running() {
            true => self.run(self.control("stop").args(["--wait", "--silent", "--mode=fast"])),
            false => Ok(()),
        }
    }

    fn make_database(&self, port: u16) -> Result<(), String> {
        let known = self.sql(port, "postgres", "SELECT 1 FROM pg_database WHERE datname = 'octocity'")?;
        match known.trim().is_empty() {
            true => self.sql(port, "postgres", "CREATE DATABASE octocity").map(drop),
            false => Ok(()),
        }
    }

    /// What psql prints of it.
    pub fn sql(&self, port: u16, database: &str, sql: &str) -> Result<String, String> {
        let mut psql = self.command("psql");
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"])
            .args(["--host=127.0.0.1", "--username=octocity", "--dbname", database, "--port"])
            .args([port.to_string().as_str(), "--command", sql])
            .env("PGPASSWORD", self.password()?)
            .env("PGCONNECT_TIMEOUT", "5");
        said(&mut psql)
    }

    pub fn control(&self, what: &str) -> Command {
        let mut control = self.command("pg_ctl");
        control.arg(what).arg("--pgdata").arg(self.data());
        control
    }

    pub fn command(&self, program: &str) -> Command {
        let installed = self.binaries.join(program);
        let mut command = Command::new(if installed.exists() { &installed } else { Path::new(program) });
        // Errors in English, and none of our descriptors, streams or folders kept open by a server.
        command.current_dir("/").env("LC_ALL", "C.UTF-8");
        if let Some((uid, gid)) = self.runs_as {
            command.uid(uid).gid(gid);
        }
        command
    }

    fn run(&self, mut command: impl std::borrow::BorrowMut<Command>) -> Result<(), String> {
        said(command.borrow_mut()).map(drop).map_err(|error| match self.runs_as {
            Some(_) => {
                format!("{error} (as user {USER}, who must be able to enter {})", self.folder.display())
            }
            None => error,
        })
    }
}

fn said(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command.stdin(std::process::Stdio::null()).output();
    let done = done.map_err(|error| format!("{name} cannot be started: {error}"))?;
    match done.status.success() {
        true => Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned()),
        false => Err(format!("{name} failed: {}", String::from_utf8_lossy(&done.stderr).trim())),
    }
}

/// User and group of Debian's package, from /etc/passwd (passwd(5)).
fn user() -> Result<(u32, u32), String> {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let line = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|line| line[0] == USER);
    let ids = line.and_then(|line| Some((line.get(2)?.parse().ok()?, line.get(3)?.parse().ok()?)));
    ids.ok_or_else(|| {
        format!("lacking: the user {USER}, as whom the server runs. Debian's package postgresql makes it")
    })
}
