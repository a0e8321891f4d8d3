//! Rows of `SystemCodeNumber,Capacity,Occupancy,LastUpdated`: how many vehicles a car park counted, and when.

use jiff::tz::TimeZone;
use octocity_domain::Timestamp;

use super::lines::{Line, Text};
use super::local_time::instant;
use super::report::{Complaint, Dirt};

/// More than any car park has, and what a count is believed up to.
const MOST_VEHICLES: i64 = 1_000_000;
const HEADER: &str = "SystemCodeNumber,Capacity,Occupancy,LastUpdated";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    pub car_park: String,
    pub capacity: u32,
    /// May be negative in the file.
    pub occupancy: i64,
    pub at: Timestamp,
}

/// Whether this is the heading and no row.
pub fn is_header(line: &Line) -> bool {
    matches!(&line.text, Text::Whole(text) if line.number == 1 && text.trim_start_matches('\u{feff}') == HEADER)
}

impl Count {
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
        let malformed = |reason: &str| Complaint::new(Dirt::Malformed, reason);
        let fields = fields(text).ok_or_else(|| malformed("not a row of four fields"))?;
        let car_park = fields[0].trim();
        let nameable =
            (1..=100).contains(&car_park.chars().count()) && !car_park.chars().any(char::is_control);
        if !nameable {
            return Err(malformed("the car park's name is empty, too long or unprintable"));
        }
        let capacity = fields[1].parse::<u32>().ok().filter(|places| i64::from(*places) <= MOST_VEHICLES);
        let capacity = capacity.ok_or_else(|| malformed("the capacity is no number of places"))?;
        let occupancy = fields[2].parse::<i64>().ok().filter(|count| count.abs() <= MOST_VEHICLES);
        let occupancy = occupancy.ok_or_else(|| malformed("the occupancy is no number of vehicles"))?;
        Ok(Self { car_park: car_park.to_owned(), capacity, occupancy, at: instant(&fields[3], zone)? })
    }
}

fn fields(text: &str) -> Option<csv::StringRecord> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(256)
        .from_reader(text.as_bytes());
    let record = reader.records().next()?.ok()?;
    (record.len() == 4).then_some(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Count, Dirt> {
        let zone = TimeZone::get("Europe/London").unwrap();
        let line = Line { number: 2, text: Text::Whole(text.to_owned()), ended: true };
        Count::parse(&line, &zone).map_err(|complaint| complaint.dirt)
    }

    #[test]
    fn a_row_is_read_quoted_or_not() {
        let row = parse("Bull Ring,3053,1432,2016-10-04 07:59:42").unwrap();
        assert_eq!((row.car_park.as_str(), row.capacity, row.occupancy), ("Bull Ring", 3053, 1432));
        assert_eq!(row.at.seconds(), 1_475_564_382, "British summer time");
        assert_eq!(parse("\"A, B\",1,-4,2016-12-01 08:00:00").unwrap().car_park, "A, B");
    }

    #[test]
    fn dirt_has_its_kind() {
        for (row, dirt) in [
            ("A,10,5", Dirt::Malformed),
            ("A,ten,5,2016-12-01 08:00:00", Dirt::Malformed),
            ("A,10,5.5,2016-12-01 08:00:00", Dirt::Malformed),
            ("A,10,99999999999,2016-12-01 08:00:00", Dirt::Malformed),
            (",10,5,2016-12-01 08:00:00", Dirt::Malformed),
            ("A,10,5,2016-13-01 08:00:00", Dirt::ImpossibleTime),
            ("A,10,5,2016-03-27 01:30:00", Dirt::ImpossibleTime),
        ] {
            assert_eq!(parse(row), Err(dirt), "{row}");
        }
    }

    #[test]
    fn the_heading_is_known_on_the_first_line_only() {
        let line = |number| Line { number, text: Text::Whole(HEADER.to_owned()), ended: true };
        assert!(is_header(&line(1)) && !is_header(&line(2)));
    }
}
