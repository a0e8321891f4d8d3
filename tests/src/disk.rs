//! The disk under a server: how often it synced the log, and faults on demand. Linux only: it stands before
//! the C library's calls (`disk.c`).

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::server::Launch;

/// Where each number stands in the shared file: the layout of `struct rule` in disk.c.
const SYNCS: u64 = 0;
const FAILING: u64 = 8;
const ROOM_BYTES: u64 = 16;
const REFUSED: u64 = 24;

/// What is to stand before the C library's calls, as a library in `folder`.
pub fn compiled(source: &Path, folder: &Path) -> PathBuf {
    let library = folder.join(source.with_extension("so").file_name().expect("a source has a name"));
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(source)
        .arg("-ldl")
        .status()
        .expect("cc is needed to stand before the C library; install gcc or clang");
    assert!(compiled.success(), "{} does not compile", source.display());
    library
}

/// The rule that one server's disk follows; it may be changed while the server runs.
pub struct Disk {
    rule: File,
    rule_path: PathBuf,
    library: PathBuf,
}

impl Disk {
    /// Compiles the library into `folder` and lays the rule beside it: everything goes well.
    pub fn new(folder: &Path) -> Self {
        let library = compiled(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/disk.c"), folder);
        let rule_path = folder.join("disk.rule");
        let rule = File::options().read(true).write(true).create(true).truncate(true).open(&rule_path);
        let disk = Self { rule: rule.expect("the rule's file"), rule_path, library };
        disk.write(SYNCS, 0);
        disk.write(FAILING, 0);
        disk.write(ROOM_BYTES, u64::MAX);
        disk.write(REFUSED, 0);
        disk
    }

    /// A server on this disk, of which the files with `watched` in their path are ruled.
    #[must_use]
    pub fn under(&self, launch: Launch, watched: &str) -> Launch {
        launch
            .environment("LD_PRELOAD", &self.library.to_string_lossy())
            .environment("DISK_RULE", &self.rule_path.to_string_lossy())
            .environment("DISK_WATCH", watched)
    }

    /// How many syncs went well so far.
    pub fn syncs(&self) -> u64 {
        self.read(SYNCS)
    }

    /// The next so many syncs fail.
    pub fn fail_syncs(&self, count: u64) {
        self.write(FAILING, count);
    }

    /// How many of those are still to come.
    pub fn failing(&self) -> u64 {
        self.read(FAILING)
    }

    /// So many bytes more fit on the disk; None: as many as you like.
    pub fn leave_room(&self, bytes: Option<u32>) {
        self.write(ROOM_BYTES, bytes.map_or(u64::MAX, u64::from));
    }

    /// How many writes found it full.
    pub fn refused(&self) -> u64 {
        self.read(REFUSED)
    }

    fn write(&self, at: u64, value: u64) {
        self.rule.write_all_at(&value.to_ne_bytes(), at).expect("the rule can be written");
    }

    fn read(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        self.rule.read_exact_at(&mut bytes, at).expect("the rule can be read");
        u64::from_ne_bytes(bytes)
    }
}
