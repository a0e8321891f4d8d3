//! What `cargo xtask bench` is asked for. It is a part of xtask too, which builds nothing for a word that nobody knows.

const MEASUREMENTS: [&str; 8] =
    ["instructions", "handler", "live", "kafka", "subscribers", "postgraphile", "rebuild", "history"];

pub struct Asked {
    pub json: bool,
    /// Empty: all.
    pub named: Vec<String>,
}

impl Asked {
    /// None: for the usage.
    ///
    /// # Errors
    /// A sentence that says which word is unknown, and which are known.
    pub fn try_new(words: &[String]) -> Result<Option<Self>, String> {
        let mut asked = Self { json: false, named: Vec::new() };
        for word in words {
            match word.as_str() {
                "--help" | "-h" => return Ok(None),
                "--json" => asked.json = true,
                word if MEASUREMENTS.contains(&word) => asked.named.push(word.to_owned()),
                word => {
                    return Err(format!(
                        "There is no measurement or flag '{word}'; there are {} and --json.",
                        MEASUREMENTS.join(", ")
                    ));
                }
            }
        }
        Ok(Some(asked))
    }

    pub fn wants(&self, name: &str) -> bool {
        self.named.is_empty() || self.named.iter().any(|named| named == name)
    }
}

pub fn usage() -> String {
    format!(
        "usage: cargo xtask bench [--json] [MEASUREMENT...]

Measurements: {}; all where none is named. With --json the last line is
{{\"machine\":...,\"goals\":[{{\"name\":...,\"value\":...,\"target\":...,\"met\":...}},...]}}.",
        MEASUREMENTS.join(", ")
    )
}
