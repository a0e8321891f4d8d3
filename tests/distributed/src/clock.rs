//! The clock under a server: it goes wrong when it is told to. Linux only: it stands before the C library's calls
//! (`clock.c`).

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use octocity_tests::disk::compiled;
use octocity_tests::server::Launch;

/// Set while the server runs.
pub struct Clock {
    rule: File,
    rule_path: PathBuf,
    library: PathBuf,
}

impl Clock {
    /// Compiles the library into `folder` and lays the rule beside it: the clock is right.
    pub fn new(folder: &Path) -> Self {
        let library = compiled(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/clock.c"), folder);
        let rule_path = folder.join("clock.rule");
        let rule = File::options().write(true).create(true).truncate(true).open(&rule_path);
        let clock = Self { rule: rule.expect("the rule's file"), rule_path, library };
        clock.set_ahead(0);
        clock
    }

    #[must_use]
    pub fn under(&self, launch: Launch) -> Launch {
        launch
            .environment("LD_PRELOAD", &self.library.to_string_lossy())
            .environment("CLOCK_RULE", &self.rule_path.to_string_lossy())
    }

    /// So many seconds before the right time; behind it, where negative.
    pub fn set_ahead(&self, seconds: i64) {
        self.rule.write_all_at(&seconds.to_ne_bytes(), 0).expect("the rule can be written");
    }
}
