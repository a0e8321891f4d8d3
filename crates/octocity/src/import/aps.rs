//! The log format of an automated garage's controller.
//!
//! - entry: `created;0;card;swipe;f0,f1,f2,;?;closed`
//! - exit:  `created;1;card;swipe;f0,f1,f2,;0;command_start;exit_open;exit_close`
//!
//! `created` is when the controller wrote the line, `swipe` when it happened by the lane's own clock, minutes ahead.
//! `f0,f1,f2` is what the controller counted on each floor: before an entry, after an exit.

use jiff::tz::TimeZone;
use octocity_domain::Timestamp;
use octocity_domain::parking::Direction;

use super::lines::{Line, Text};
use super::local_time::instant;
use super::report::{Complaint, Dirt};

/// The lanes' clocks run minutes ahead; more than this and the line cannot be.
const CLOCKS_APART_SECONDS: i64 = 3600;
const CARD_LONGEST: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApsLine {
    pub created: Timestamp,
    pub direction: Direction,
    pub card: String,
    pub swipe: Timestamp,
    /// As it stands in the file: with direction and card, what identifies the passage.
    pub swipe_text: String,
    /// What the controller counted on all floors.
    pub counted: u32,
}

impl ApsLine {
    pub fn parse(line: &Line, zone: &TimeZone) -> Result<Self, Complaint> {
        let text = match &line.text {
            Text::Whole(text) => text,
            Text::TooLong => return Err(Complaint::new(Dirt::Malformed, "longer than 4096 bytes")),
            Text::NotUtf8 => return Err(Complaint::new(Dirt::Malformed, "not UTF-8")),
        };
        Self::parse_text(text, zone).map_err(|complaint| match line.ended {
            true => complaint,
            false => Complaint::new(Dirt::Truncated, format!("cut off: {}", complaint.reason)),
        })
    }

    fn parse_text(text: &str, zone: &TimeZone) -> Result<Self, Complaint> {
        let malformed = |reason: String| Complaint::new(Dirt::Malformed, reason);
        let fields: Vec<&str> = text.split(';').collect();
        let (direction, closing) = match (fields.get(1), fields.len()) {
            (Some(&"0"), 7) => (Direction::Entry, &fields[6..7]),
            (Some(&"1"), 9) => (Direction::Exit, &fields[6..9]),
            (Some(&("0" | "1")), count) => {
                return Err(malformed(format!("{count} fields; an entry has 7 and an exit 9")));
            }
            _ => return Err(malformed("the second field is neither 0 (entry) nor 1 (exit)".to_owned())),
        };
        let card = fields[2].trim();
        if card.is_empty() || card.len() > CARD_LONGEST || card.chars().any(char::is_control) {
            return Err(malformed("the card is empty, too long or unprintable".to_owned()));
        }
        let (created, swipe) = (instant(fields[0], zone)?, instant(fields[3], zone)?);
        for time in closing {
            instant(time, zone)?;
        }
        if swipe.seconds_since(created) > CLOCKS_APART_SECONDS {
            let reason = "it happened more than an hour after the news of it";
            return Err(Complaint::new(Dirt::ImpossibleTime, reason));
        }
        let counted = floors(fields[4])
            .ok_or_else(|| malformed("the floor counts are not numbers with a comma each".to_owned()))?;
        let (card, swipe_text) = (card.to_owned(), fields[3].to_owned());
        Ok(Self { created, direction, card, swipe, swipe_text, counted })
    }

    /// What the controller says is inside right after this passage.
    pub const fn inside_after(&self) -> u32 {
        match self.direction {
            Direction::Entry => self.counted + 1,
            Direction::Exit => self.counted,
        }
    }

    /// What the controller says was inside right before this passage.
    pub const fn inside_before(&self) -> u32 {
        match self.direction {
            Direction::Entry => self.counted,
            Direction::Exit => self.counted + 1,
        }
    }
}

/// `14,28,27,`: at least one floor, each followed by a comma, each below 100,000.
fn floors(text: &str) -> Option<u32> {
    let counts = text.strip_suffix(',')?.split(',');
    counts.map(|count| count.parse::<u32>().ok().filter(|count| *count < 100_000)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, ended: bool) -> Result<ApsLine, Dirt> {
        let zone = TimeZone::get("Europe/Prague").unwrap();
        let line = Line { number: 1, text: Text::Whole(text.to_owned()), ended };
        ApsLine::parse(&line, &zone).map_err(|complaint| complaint.dirt)
    }

    const ENTRY: &str =
        "2016-05-26 23:01:22;0;14;2016-05-26 23:09:34;11,27,27,;2016-05-26 21:18:09;2016-05-26 23:09:45";
    const EXIT: &str = "2016-05-26 21:18:38;1;0;2016-05-26 21:23:42;14,28,27,;0;2016-05-26 21:23:42;2016-05-26 21:26:10;2016-05-26 21:27:03";

    #[test]
    fn the_count_is_taken_before_an_entry_and_after_an_exit() {
        let entry = parse(ENTRY, true).unwrap();
        assert_eq!((entry.direction, entry.card.as_str()), (Direction::Entry, "14"));
        assert_eq!((entry.inside_before(), entry.inside_after()), (65, 66));
        let exit = parse(EXIT, true).unwrap();
        assert_eq!((exit.direction, exit.card.as_str()), (Direction::Exit, "0"), "card 0 is a card like any");
        assert_eq!((exit.inside_before(), exit.inside_after()), (70, 69));
    }

    #[test]
    fn a_cut_last_line_is_told_from_a_malformed_one() {
        let cut = &EXIT[..EXIT.len() - 3];
        assert_eq!(parse(cut, false), Err(Dirt::Truncated));
        assert_eq!(parse(cut, true), Err(Dirt::Malformed));
        assert!(parse(EXIT, false).is_ok(), "a whole line without its end is a whole line");
    }

    #[test]
    fn dirt_has_its_kind() {
        for (from, to, dirt) in [
            (";0;14;", ";2;14;", Dirt::Malformed),
            (";0;14;", ";0; ;", Dirt::Malformed),
            ("11,27,27,", "11,x,27,", Dirt::Malformed),
            ("11,27,27,", "", Dirt::Malformed),
            ("11,27,27,", "4294967295,1,1,", Dirt::Malformed),
            ("26 23:09:34", "31 25:09:34", Dirt::ImpossibleTime),
            ("26 23:09:34", "27 23:09:34", Dirt::ImpossibleTime),
        ] {
            assert_eq!(parse(&ENTRY.replacen(from, to, 1), true), Err(dirt), "{to}");
        }
        assert_eq!(parse("", true), Err(Dirt::Malformed));
    }
}
