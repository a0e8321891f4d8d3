//! SQLite: the embedded default of every store.
