//! The documents that were asked with last: devices and apps send the same ones again and again, and their parsing took as
//! long as their execution.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_graphql::ServerError;
use async_graphql::parser::types::ExecutableDocument;

use super::{Limits, parse};

/// How many are kept in each of the two generations.
const KEPT: usize = 64;
/// A longer one is parsed each time. A parsed document takes some hundred times its text at most: all that are kept stay below
/// 30 MiB.
const LONGEST_BYTES: usize = 2_048;

/// Parses within the limits, and keeps what was parsed.
pub struct Documents {
    limits: Limits,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    newer: HashMap<String, Arc<ExecutableDocument>>,
    older: HashMap<String, Arc<ExecutableDocument>>,
}

impl Documents {
    pub fn new(limits: Limits) -> Self {
        Self { limits, kept: Mutex::default() }
    }

    /// The document, if it keeps the limits.
    pub fn parsed(&self, query: &str) -> Result<Arc<ExecutableDocument>, Box<ServerError>> {
        if let Some(document) = self.kept().find(query) {
            return Ok(document);
        }
        let document = Arc::new(parse(query, &self.limits)?);
        if query.len() <= LONGEST_BYTES {
            self.kept().keep(query.to_owned(), Arc::clone(&document));
        }
        Ok(document)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn find(&mut self, query: &str) -> Option<Arc<ExecutableDocument>> {
        if let Some(document) = self.newer.get(query) {
            return Some(Arc::clone(document));
        }
        let (query, document) = self.older.remove_entry(query)?;
        self.keep(query, Arc::clone(&document));
        Some(document)
    }

    fn keep(&mut self, query: String, document: Arc<ExecutableDocument>) {
        if self.newer.len() >= KEPT {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(query, document);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_again_is_parsed_once_and_what_breaks_a_limit_each_time() {
        let documents = Documents::new(Limits { depth: 2, ..Limits::default() });
        let (first, again) = (documents.parsed("{ a }").unwrap(), documents.parsed("{ a }").unwrap());
        assert!(Arc::ptr_eq(&first, &again));
        for _ in 0..2 {
            assert!(documents.parsed("{ a { b { c } } }").is_err());
        }
    }

    #[test]
    fn as_many_as_fit_are_kept_and_what_is_asked_for_again_stays() {
        let documents = Documents::new(Limits::default());
        let asked = documents.parsed("{ asked }").unwrap();
        for number in 0..10 * KEPT {
            documents.parsed(&format!("{{ a{number} }}")).unwrap();
            if number % (KEPT / 2) == 0 {
                assert!(Arc::ptr_eq(&asked, &documents.parsed("{ asked }").unwrap()));
            }
        }
        let long = format!("{{ a }} # {}", "x".repeat(LONGEST_BYTES));
        documents.parsed(&long).unwrap();
        let kept = documents.kept();
        assert!(kept.newer.len() + kept.older.len() <= 2 * KEPT);
        assert!(!kept.newer.contains_key(&long));
    }
}
