//! Which events a reader of `$all` asked for.

use regex::Regex;
use tonic::Status;

use crate::messages::streams::read_req::options::FilterOptions;
use crate::messages::streams::read_req::options::filter_options::{Expression, Filter, Window};
use crate::store::{Index, Place};

/// How many events the server looks at between checkpoints, where the reader does not say.
const WINDOW: u32 = 32;

pub enum Selection {
    All,
    Streams(Pattern),
    Types(Pattern),
}

pub enum Pattern {
    Prefixes(Vec<String>),
    Expression(Regex),
}

impl Selection {
    /// The filter, and after how many events that were looked at a subscription sends a checkpoint.
    pub fn try_new(options: &FilterOptions) -> Result<(Self, u32), Status> {
        let window = match options.window {
            Some(Window::Max(max)) => max,
            Some(Window::Count(())) | None => WINDOW,
        };
        if options.checkpoint_interval_multiplier == 0 {
            return Err(Status::unknown("checkpointIntervalMultiplier is out of range"));
        }
        let selection = match &options.filter {
            Some(Filter::StreamIdentifier(expression)) => Self::Streams(Pattern::try_new(expression)?),
            Some(Filter::EventType(expression)) => Self::Types(Pattern::try_new(expression)?),
            None => return Err(Status::unknown("a filter says on what it is")),
        };
        Ok((selection, window.saturating_mul(options.checkpoint_interval_multiplier)))
    }

    pub fn takes(&self, index: &Index, place: &Place) -> bool {
        match self {
            Self::All => true,
            Self::Streams(pattern) => pattern.matches(&index.stream_names[place.stream as usize]),
            Self::Types(pattern) => pattern.matches(&index.event_types[place.event_type as usize]),
        }
    }
}

impl Pattern {
    fn try_new(expression: &Expression) -> Result<Self, Status> {
        if expression.regex.is_empty() {
            return Ok(Self::Prefixes(expression.prefix.clone()));
        }
        let regex = Regex::new(&expression.regex);
        regex.map(Self::Expression).map_err(|_| Status::unknown("the regular expression cannot be read"))
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Prefixes(prefixes) => prefixes.iter().any(|prefix| name.starts_with(prefix.as_str())),
            Self::Expression(regex) => regex.is_match(name),
        }
    }
}
