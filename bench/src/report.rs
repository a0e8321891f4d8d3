//! The figures, for a person and for a program.

use std::fmt;

use serde::Serialize;

use crate::machine;

#[derive(Clone, Debug, Serialize)]
struct Goal {
    name: String,
    value: f64,
    target: f64,
    met: bool,
    #[serde(skip)]
    is_ceiling: bool,
}

pub struct Report {
    /// Where it was measured, and what.
    machine: String,
    goals: Vec<Goal>,
    /// What stands behind a goal, or beside it.
    notes: Vec<String>,
}

impl Report {
    pub fn new() -> Self {
        Self { machine: machine::said(), goals: Vec::new(), notes: Vec::new() }
    }

    pub fn at_least(&mut self, name: &str, value: f64, target: f64) {
        let met = value >= target;
        self.goals.push(Goal { name: name.to_owned(), value, target, met, is_ceiling: false });
    }

    pub fn at_most(&mut self, name: &str, value: f64, target: f64) {
        let met = value <= target;
        self.goals.push(Goal { name: name.to_owned(), value, target, met, is_ceiling: true });
    }

    pub fn note(&mut self, note: String) {
        eprintln!("{note}");
        self.notes.push(note);
    }

    pub fn json(&self) -> String {
        serde_json::json!({ "machine": self.machine, "goals": self.goals }).to_string()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.machine)?;
        writeln!(f, "| figure | measured | goal | |\n|---|---|---|---|")?;
        for Goal { name, value, target, met, is_ceiling } in &self.goals {
            let (sign, word) = (if *is_ceiling { "<=" } else { ">=" }, if *met { "met" } else { "missed" });
            writeln!(f, "| {name} | {} | {sign} {target} | {word} |", Figure(*value))?;
        }
        writeln!(f)?;
        self.notes.iter().try_for_each(|note| writeln!(f, "- {note}"))
    }
}

/// With as many digits as mean something.
struct Figure(f64);

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.abs() {
            value if value >= 100.0 => write!(f, "{:.0}", self.0),
            value if value >= 10.0 => write!(f, "{:.1}", self.0),
            _ => write!(f, "{:.2}", self.0),
        }
    }
}

pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// From the least to the greatest.
pub fn range(values: impl IntoIterator<Item = f64>) -> String {
    let (least, greatest) =
        values.into_iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, greatest), value| {
            (least.min(value), greatest.max(value))
        });
    format!("{} to {}", Figure(least), Figure(greatest))
}
