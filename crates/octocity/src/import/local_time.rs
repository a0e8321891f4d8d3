//! The wall-clock times of a source, as instants.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use octocity_domain::Timestamp;

use super::report::{Complaint, Dirt};

/// `2016-05-26 21:18:38` in `zone`. A time that the clock went through twice is the first of the two.
pub fn instant(text: &str, zone: &TimeZone) -> Result<Timestamp, Complaint> {
    let impossible = |reason: String| Complaint::new(Dirt::ImpossibleTime, reason);
    if !has_form(text) {
        return Err(Complaint::new(Dirt::Malformed, "a time is not of the form 2016-05-26 21:18:38"));
    }
    let local = DateTime::strptime("%Y-%m-%d %H:%M:%S", text)
        .map_err(|_| impossible("a time that no calendar or clock has".to_owned()))?;
    let ambiguous = zone.to_ambiguous_timestamp(local);
    if matches!(ambiguous.offset(), jiff::tz::AmbiguousOffset::Gap { .. }) {
        return Err(impossible("a local time that the change to summer time skipped".to_owned()));
    }
    let instant = ambiguous.earlier().map_err(|_| impossible("a time out of range".to_owned()))?;
    Ok(Timestamp::from_millis(instant.as_millisecond()))
}

fn has_form(text: &str) -> bool {
    let form = b"9999-99-99 99:99:99";
    text.len() == form.len()
        && text.bytes().zip(form).all(|(byte, form)| match form {
            b'9' => byte.is_ascii_digit(),
            separator => byte == *separator,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prague(text: &str) -> Result<i64, Dirt> {
        let zone = TimeZone::get("Europe/Prague").unwrap();
        instant(text, &zone).map(Timestamp::seconds).map_err(|complaint| complaint.dirt)
    }

    #[test]
    fn local_times_become_instants() {
        assert_eq!(prague("2016-05-26 21:18:38"), Ok(1_464_290_318));
        assert_eq!(prague("2016-10-30 02:30:00"), Ok(1_477_787_400), "the first of two");
    }

    #[test]
    fn times_that_never_were_are_told_from_nonsense() {
        assert_eq!(prague("2016-03-27 02:30:00"), Err(Dirt::ImpossibleTime));
        assert_eq!(prague("2016-02-30 12:00:00"), Err(Dirt::ImpossibleTime));
        assert_eq!(prague("2016-05-26 21:18:3"), Err(Dirt::Malformed));
        assert_eq!(prague("yesterday"), Err(Dirt::Malformed));
    }
}
