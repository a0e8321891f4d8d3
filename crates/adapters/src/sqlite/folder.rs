//! The data folder: which files it has, and that one process at a time uses it.
//!
//! - **lock**: held by the operating system for as long as the process lives, so that none is left behind by a
//!   crash. Its content, the process id, is only for people.
//! - **form**: the version of the folder's layout, in the file `format`.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use super::file::remove;
use super::{Form, OpenError, log, open_to_read, processes, rows, snapshots};

/// The layout that this version writes.
const FOLDER_FORM: u32 = 1;

pub const LOG_FILE: &str = "log.db";
pub const SNAPSHOTS_FILE: &str = "snapshots.db";
pub const PROCESSES_FILE: &str = "processes.db";
/// What processes remembered before it went to PostgreSQL.
pub const MOVED_PROCESSES_FILE: &str = "processes.moved.db";
pub const READ_MODELS_FILE: &str = "readmodels.db";
const LOCK_FILE: &str = "lock";
const FORMAT_FILE: &str = "format";
/// Says where the log went; from then on the one here is not written any more.
pub const MIGRATED_FILE: &str = "migrated";

/// Why a data folder cannot be used; nothing in it was changed.
#[derive(Debug, Error)]
pub enum FolderError {
    #[error(
        "The data folder {} is in use by {}; stop that process or name another folder with --data.",
        dir.display(), process(*pid)
    )]
    InUse { dir: PathBuf, pid: Option<u32> },
    #[error(
        "The data folder {} was written by a newer version of Octocity (its form is {found}, this one knows \
         {known}); upgrade Octocity or name another folder with --data.", dir.display()
    )]
    Newer { dir: PathBuf, found: u32, known: u32 },
    #[error("{} is no data folder of Octocity: there is no {LOG_FILE} in it; name the right one with --data.", dir.display())]
    Missing { dir: PathBuf },
    #[error(
        "The data folder {} has lost its event log ({LOG_FILE} is missing or empty beside {beside}); restore {LOG_FILE} \
         from a backup, or empty the folder to start anew.", dir.display()
    )]
    LogLost { dir: PathBuf, beside: &'static str },
    #[error(
        "The log of the data folder {} was brought to {to}; name that by [eventstoredb] in --config, or delete the file \
         '{MIGRATED_FILE}' to go on with the log as it was then, without what was stored since.", dir.display()
    )]
    Migrated { dir: PathBuf, to: String },
    #[error("The data folder {} cannot be used ({reason}); check its rights or name another with --data.", dir.display())]
    Unusable { dir: PathBuf, reason: String },
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// Where the log is that a folder's other files were made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogPlace {
    Here,
    /// In a service: none is missed here.
    Elsewhere,
}

/// A data folder that this process alone uses, until this is dropped.
#[derive(Debug)]
pub struct DataFolder {
    dir: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Takes the folder, making it where there is none.
    pub fn open(dir: &Path) -> Result<Self, FolderError> {
        Self::take(dir, LogPlace::Here)
    }

    /// Takes the folder, making it where there is none, for what is kept beside a log that is elsewhere.
    pub fn open_without_log(dir: &Path) -> Result<Self, FolderError> {
        Self::take(dir, LogPlace::Elsewhere)
    }

    /// Takes a folder whose log is to go elsewhere, or has gone.
    pub fn open_to_migrate(dir: &Path) -> Result<Self, FolderError> {
        match has_content(dir, LOG_FILE) {
            true => Self::take(dir, LogPlace::Elsewhere),
            false => Err(FolderError::Missing { dir: dir.to_owned() }),
        }
    }

    /// From now on the log here is refused to whoever would write it.
    pub fn mark_migrated(&self, to: &str) -> Result<(), FolderError> {
        let written = write_whole(&self.dir, MIGRATED_FILE, to);
        written.map_err(|error| unusable(&self.dir, error.to_string()))
    }

    /// From now on nobody takes up what processes remembered here: it has gone elsewhere.
    pub fn set_processes_aside(&self) -> Result<(), FolderError> {
        let [from, to] = [PROCESSES_FILE, MOVED_PROCESSES_FILE].map(|name| self.dir.join(name));
        let moved = std::fs::rename(from, to).and_then(|()| File::open(&self.dir)?.sync_all());
        moved.map_err(|error| unusable(&self.dir, error.to_string()))
    }

    fn take(dir: &Path, log: LogPlace) -> Result<Self, FolderError> {
        let unusable = |error: std::io::Error| unusable(dir, error.to_string());
        std::fs::create_dir_all(dir).map_err(unusable)?;
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut lock = options.open(dir.join(LOCK_FILE)).map_err(unusable)?;
        lock_alone(&lock, dir)?;
        check_form(dir)?;
        check_log(dir, log)?;
        lock.set_len(0).and_then(|()| write!(lock, "{}", std::process::id())).map_err(unusable)?;
        if !dir.join(FORMAT_FILE).exists() {
            write_whole(dir, FORMAT_FILE, &FOLDER_FORM.to_string()).map_err(unusable)?;
        }
        Ok(Self { dir: dir.to_owned(), _lock: lock })
    }

    /// Takes a folder that must have been used before: a mistyped name makes none.
    pub fn open_existing(dir: &Path) -> Result<Self, FolderError> {
        match has_content(dir, LOG_FILE) || beside_log(dir).is_some() {
            true => Self::open(dir),
            false => Err(FolderError::Missing { dir: dir.to_owned() }),
        }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }
    pub fn log(&self) -> PathBuf {
        self.dir.join(LOG_FILE)
    }

    /// Takes the read models away, whatever is wrong with them: the log has all they said.
    pub fn forget_read_models(&self) -> Result<(), OpenError> {
        remove(&self.dir.join(READ_MODELS_FILE))
    }
}

fn unusable(dir: &Path, reason: String) -> FolderError {
    FolderError::Unusable { dir: dir.to_owned(), reason }
}

fn lock_alone(lock: &File, dir: &Path) -> Result<(), FolderError> {
    // Twice: `inspect` holds it for a moment.
    for attempt in 0..2 {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if attempt == 0 => std::thread::sleep(Duration::from_millis(100)),
            Err(TryLockError::WouldBlock) => break,
            Err(TryLockError::Error(error)) => return Err(unusable(dir, error.to_string())),
        }
    }
    Err(FolderError::InUse { dir: dir.to_owned(), pid: holder(dir) })
}

fn holder(dir: &Path) -> Option<u32> {
    std::fs::read_to_string(dir.join(LOCK_FILE)).ok()?.trim().parse().ok()
}

fn check_form(dir: &Path) -> Result<(), FolderError> {
    let mut text = String::new();
    match File::open(dir.join(FORMAT_FILE)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        opened => opened
            .and_then(|file| file.take(100).read_to_string(&mut text))
            .map_err(|error| unusable(dir, error.to_string()))?,
    };
    match text.trim().parse() {
        Ok(found) if found > FOLDER_FORM => {
            Err(FolderError::Newer { dir: dir.to_owned(), found, known: FOLDER_FORM })
        }
        Ok(_) => Ok(()),
        Err(_) => Err(unusable(dir, format!("its file '{FORMAT_FILE}' holds no number"))),
    }
}

fn has_content(dir: &Path, name: &str) -> bool {
    std::fs::metadata(dir.join(name)).is_ok_and(|found| found.len() > 0)
}

/// A file that is only made beside a log.
fn beside_log(dir: &Path) -> Option<&'static str> {
    [PROCESSES_FILE, READ_MODELS_FILE, SNAPSHOTS_FILE].into_iter().find(|name| has_content(dir, name))
}

/// A log made anew beside what was written from another would lose that one without a word.
fn check_log(dir: &Path, log: LogPlace) -> Result<(), FolderError> {
    if log == LogPlace::Elsewhere {
        return Ok(());
    }
    if let Ok(to) = std::fs::read_to_string(dir.join(MIGRATED_FILE)) {
        return Err(FolderError::Migrated { dir: dir.to_owned(), to: to.trim_end().to_owned() });
    }
    match beside_log(dir) {
        Some(beside) if !has_content(dir, LOG_FILE) => {
            Err(FolderError::LogLost { dir: dir.to_owned(), beside })
        }
        _ => Ok(()),
    }
}

/// Whole or not at all, also after a power cut: written beside, then put in its place.
fn write_whole(dir: &Path, name: &str, text: &str) -> std::io::Result<()> {
    let beside = dir.join(format!("{name}.new"));
    let mut file = File::create(&beside)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    std::fs::rename(&beside, dir.join(name))?;
    File::open(dir)?.sync_all()
}

/// What is found in a data folder, without taking or changing it.
#[derive(Debug)]
pub struct Inspection {
    pub dir: PathBuf,
    pub exists: bool,
    /// Whether a process uses it just now, and which.
    pub in_use: Option<String>,
    /// What keeps the whole folder from being used.
    pub problem: Option<String>,
    pub files: Vec<FileReport>,
}

#[derive(Debug)]
pub struct FileReport {
    pub name: &'static str,
    /// None where there is no such file.
    pub bytes: Option<u64>,
    /// A sentence that says what to do; None where all is well.
    pub problem: Option<String>,
}

/// Looks at a folder for `doctor`. `thorough` reads every page of every file.
pub fn inspect(dir: &Path, log: LogPlace, thorough: bool) -> Inspection {
    let known = [
        (LOG_FILE, &log::FORM, false),
        (SNAPSHOTS_FILE, &snapshots::FORM, true),
        (PROCESSES_FILE, &processes::FORM, false),
        (READ_MODELS_FILE, &rows::FORM, true),
    ];
    let files =
        known.map(|(name, form, disposable)| inspect_file(dir, name, form, disposable, thorough)).into();
    let problem = match dir.exists() && !dir.is_dir() {
        true => Some(format!("{} is no folder; name one with --data.", dir.display())),
        false => check_form(dir).and_then(|()| check_log(dir, log)).err().map(|error| error.to_string()),
    };
    Inspection { dir: dir.to_owned(), exists: dir.exists(), in_use: in_use(dir), problem, files }
}

/// Whether a process uses the folder just now, and which.
pub fn in_use(dir: &Path) -> Option<String> {
    let lock = File::open(dir.join(LOCK_FILE)).ok()?;
    matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)).then(|| process(holder(dir)))
}

fn inspect_file(dir: &Path, name: &'static str, form: &Form, disposable: bool, thorough: bool) -> FileReport {
    let path = dir.join(name);
    let Ok(found) = std::fs::metadata(&path) else {
        return FileReport { name, bytes: None, problem: None };
    };
    let check = if thorough { "PRAGMA quick_check(1)" } else { "SELECT 'ok' FROM sqlite_schema LIMIT 1" };
    let checked = open_to_read(&path, form).and_then(|connection| {
        let said = connection.query_row(check, [], |row| row.get::<_, String>(0));
        match said {
            Ok(said) if said == "ok" => Ok(()),
            Ok(reason) => Err(OpenError::Damaged { path: path.clone(), reason }),
            Err(rusqlite::Error::QueryReturnedNoRows) => Ok(()),
            Err(error) => Err(OpenError::of(&path, &error)),
        }
    });
    // The next start makes it.
    let checked = checked.or_else(|error| match error {
        OpenError::Unmade { .. } if disposable => Ok(()),
        error => Err(error),
    });
    let problem = checked.err().map(|error| match error.in_content().filter(|_| disposable) {
        Some(why) => {
            format!("{} {why}; delete it: the next start makes it anew from the log.", path.display())
        }
        None => error.to_string(),
    });
    FileReport { name, bytes: Some(found.len()), problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_who_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataFolder::open(folder.path()).unwrap();
        let told = DataFolder::open(folder.path()).unwrap_err().to_string();
        assert!(told.contains(&format!("in use by process {}", std::process::id())), "{told}");
        assert_eq!(
            inspect(folder.path(), LogPlace::Here, false).in_use,
            Some(format!("process {}", std::process::id()))
        );
        drop(first);
        assert_eq!(inspect(folder.path(), LogPlace::Here, false).in_use, None);
        DataFolder::open(folder.path()).unwrap();
    }

    #[test]
    fn a_newer_folder_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("format"), "2\n").unwrap();
        assert!(matches!(DataFolder::open(folder.path()), Err(FolderError::Newer { found: 2, .. })));
        assert!(
            inspect(folder.path(), LogPlace::Here, false)
                .problem
                .is_some_and(|said| said.contains("newer version"))
        );
        std::fs::write(folder.path().join("format"), "one").unwrap();
        assert!(matches!(DataFolder::open(folder.path()), Err(FolderError::Unusable { .. })));
        assert_eq!(std::fs::read_to_string(folder.path().join("format")).unwrap(), "one");
    }

    #[test]
    fn a_lost_log_is_not_made_anew_beside_what_came_from_it() {
        for beside in [PROCESSES_FILE, READ_MODELS_FILE, SNAPSHOTS_FILE] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(beside), "of a log").unwrap();
            for log in [None, Some("")] {
                log.inspect(|text| std::fs::write(folder.path().join(LOG_FILE), text).unwrap());
                for opened in [DataFolder::open(folder.path()), DataFolder::open_existing(folder.path())] {
                    assert!(
                        matches!(opened, Err(FolderError::LogLost { beside: named, .. }) if named == beside)
                    );
                }
                assert!(
                    inspect(folder.path(), LogPlace::Here, true)
                        .problem
                        .is_some_and(|said| said.contains("restore log.db"))
                );
            }
            DataFolder::open_without_log(folder.path()).unwrap();
            std::fs::write(folder.path().join(LOG_FILE), "a log").unwrap();
            DataFolder::open(folder.path()).unwrap();
        }
    }

    #[test]
    fn a_mistyped_folder_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let mistyped = folder.path().join("octocity-dta");
        assert!(matches!(DataFolder::open_existing(&mistyped), Err(FolderError::Missing { .. })));
        assert!(!mistyped.exists());
        assert!(matches!(DataFolder::open_existing(folder.path()), Err(FolderError::Missing { .. })));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_in_the_folders_place_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "").unwrap();
        assert!(matches!(DataFolder::open(&path), Err(FolderError::Unusable { .. })));
        assert!(inspect(&path, LogPlace::Here, false).problem.is_some());
    }
}
