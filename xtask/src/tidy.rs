//! The structure's fences: files and functions stay short, folds stay total, the clock has one reader.
//!
//! The constants are what the code measures today. They go down when the code gets better, and up never.

use std::path::{Path, PathBuf};

use crate::score::{Verdict, of_faults};

const LONGEST_FILE_LINES: usize = 482;
const MEDIAN_FILE_LINES: usize = 120;
const LONGEST_FUNCTION_LINES: usize = 92;

/// Where elapsed time may be measured.
const STOPWATCHES: [&str; 5] =
    ["crates/octocity", "crates/adapters", "crates/projections/src/rest.rs", "tests", "xtask"];

struct Source {
    /// From the root, with `/` between.
    path: String,
    lines: Vec<String>,
}

pub fn step(root: &Path) -> Verdict {
    let sources = sources(root)?;
    let longest = sources.iter().flat_map(functions).max_by_key(|function| function.lines);
    println!(
        "{} files, median {} lines, longest {}; longest function {}",
        sources.len(),
        median(&sources),
        sources.iter().map(|source| source.lines.len()).max().unwrap_or(0),
        longest.map_or_else(String::new, |longest| longest.to_string()),
    );
    of_faults(&faults(&sources))
}

fn faults(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    if median(sources) > MEDIAN_FILE_LINES {
        faults.push(format!("the median file has {} lines; {MEDIAN_FILE_LINES} at most", median(sources)));
    }
    for source in sources {
        if source.lines.len() > LONGEST_FILE_LINES {
            let length = source.lines.len();
            faults.push(format!("{}: {length} lines; {LONGEST_FILE_LINES} at most", source.path));
        }
        faults.extend(
            functions(source)
                .iter()
                .filter(|function| function.lines > LONGEST_FUNCTION_LINES)
                .map(|function| format!("{}: {function}; {LONGEST_FUNCTION_LINES} at most", source.path)),
        );
        faults.extend(partial_folds(source));
        faults.extend(stray_stopwatches(source));
    }
    faults
}

fn median(sources: &[Source]) -> usize {
    let code = sources.iter().filter(|source| !is_test(&source.path));
    let mut lengths: Vec<usize> = code.map(|source| source.lines.len()).collect();
    lengths.sort_unstable();
    lengths.get(lengths.len() / 2).copied().unwrap_or(0)
}

struct Function<'a> {
    name: String,
    lines: usize,
    body: &'a [String],
}

impl std::fmt::Display for Function<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} lines", self.name, self.lines)
    }
}

/// The functions of a formatted file: one ends at the brace that stands as far in as it began. Tests
/// are not measured.
fn functions(source: &Source) -> Vec<Function<'_>> {
    let end = source.lines.iter().position(|line| line == "#[cfg(test)]").unwrap_or(source.lines.len());
    let lines = if is_test(&source.path) { &[] } else { &source.lines[..end] };
    let mut found = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = &line[..line.len() - line.trim_start().len()];
        let close = format!("{indent}}}");
        let rest = &lines[number..];
        // A declaration without a body, or a body on the same line, ends here.
        let length = match line.ends_with(';') || line.ends_with('}') {
            true => 1,
            false => rest.iter().position(|line| *line == close).map_or(1, |end| end + 1),
        };
        found.push(Function { name: name.to_owned(), lines: length, body: &rest[..length] });
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let (before, after) = line.trim_start().split_once("fn ")?;
    let qualifier =
        |word: &str| matches!(word, "pub" | "pub(crate)" | "pub(super)" | "async" | "const" | "unsafe");
    let named = before.split_whitespace().all(qualifier) && (before.is_empty() || before.ends_with(' '));
    named.then(|| after.split(['(', '<']).next().unwrap_or(after))
}

fn is_test(path: &str) -> bool {
    path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs")
}

/// Invariant 3: a new event must not compile until every fold of its aggregate says what it does.
fn partial_folds(source: &Source) -> Vec<String> {
    if !source.path.starts_with("crates/domain/") {
        return Vec::new();
    }
    functions(source)
        .iter()
        .filter(|function| function.name == "evolve")
        .filter(|function| function.body.iter().any(|line| line.trim_start().starts_with("_ =>")))
        .map(|_| format!("{}: evolve has a `_` arm; name every event", source.path))
        .collect()
}

/// Time is data: the rest of the code is handed it.
fn stray_stopwatches(source: &Source) -> Vec<String> {
    if STOPWATCHES.iter().any(|folder| source.path.starts_with(folder)) || is_test(&source.path) {
        return Vec::new();
    }
    let stray =
        |line: &&String| line.contains(concat!("Instant::", "now()")) && !line.trim().starts_with("//");
    let found = source.lines.iter().filter(stray);
    found.map(|_| format!("{}: reads a clock of its own; take the time as data", source.path)).collect()
}

fn sources(root: &Path) -> Result<Vec<Source>, String> {
    let mut found = Vec::new();
    for folder in ["crates", "tests", "xtask"] {
        collect(root, &root.join(folder), &mut found).map_err(|error| format!("{folder}: {error}"))?;
    }
    Ok(found)
}

fn collect(root: &Path, folder: &PathBuf, found: &mut Vec<Source>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with("node_modules") {
            collect(root, &path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path)?;
            let path = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            found.push(Source { path, lines: text.lines().map(str::to_owned).collect() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), lines: text.lines().map(str::to_owned).collect() }
    }

    #[test]
    fn the_tree_is_tidy() {
        assert_eq!(faults(&sources(&crate::root()).unwrap()), Vec::<String>::new());
    }

    #[test]
    fn functions_are_measured_to_their_closing_brace() {
        let text = "impl A {\n    pub async fn long(\n        a: u8,\n    ) {\n        a;\n    }\n    fn short() {}\n}\n";
        let source = source("crates/a/src/a.rs", text);
        let found: Vec<(String, usize)> =
            functions(&source).into_iter().map(|function| (function.name, function.lines)).collect();
        assert_eq!(found, [("long".to_owned(), 5), ("short".to_owned(), 1)]);
    }

    #[test]
    fn a_partial_fold_and_a_stray_clock_are_found() {
        let fold =
            source("crates/domain/src/a.rs", "fn evolve() {\n    match event {\n        _ => {}\n    }\n}\n");
        assert_eq!(partial_folds(&fold).len(), 1);
        let clock = source("crates/commands/src/a.rs", "let begun = Instant::now();\n");
        assert_eq!(stray_stopwatches(&clock).len(), 1);
        assert_eq!(stray_stopwatches(&source("xtask/src/a.rs", "Instant::now()\n")).len(), 0);
    }
}
