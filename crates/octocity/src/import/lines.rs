//! A file's lines, one at a time, plain or gzip, of bounded length.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::failure::Failure;

/// No honest line of any format is longer; a longer one is passed over in pieces, never held.
const LONGEST_LINE_BYTES: usize = 4096;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// One line as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    Whole(String),
    /// Too long to be one of ours.
    TooLong,
    NotUtf8,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// 1 is the first.
    pub number: u64,
    pub text: Text,
    /// False for a last line without its line end: it may have been cut off.
    pub ended: bool,
}

pub struct Lines {
    source: Box<dyn BufRead + Send>,
    number: u64,
}

impl Lines {
    /// Opens `path`; gzip is known by its first bytes, whatever the name says.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let unreadable = |error: std::io::Error| {
            let path = path.display();
            Failure::input(format!("{path} cannot be read: {error}; correct the path or the permissions."))
        };
        if path.is_dir() {
            return Err(Failure::input(format!("{} is a folder; name the file in it.", path.display())));
        }
        let mut plain = BufReader::with_capacity(64 * 1024, File::open(path).map_err(unreadable)?);
        let gzip = plain.fill_buf().map_err(unreadable)?.starts_with(&GZIP_MAGIC);
        let source: Box<dyn BufRead + Send> = match gzip {
            true => Box::new(BufReader::with_capacity(64 * 1024, MultiGzDecoder::new(plain))),
            false => Box::new(plain),
        };
        Ok(Self { source, number: 0 })
    }

    #[cfg(test)]
    pub fn of(text: &'static [u8]) -> Self {
        Self { source: Box::new(text), number: 0 }
    }

    /// The next line; an error where the file cannot be read on (its gzip ends early, say).
    pub fn next(&mut self) -> Result<Option<Line>, Failure> {
        let mut bytes = Vec::with_capacity(128);
        let limit = LONGEST_LINE_BYTES as u64 + 1;
        let read = self.source.by_ref().take(limit).read_until(b'\n', &mut bytes);
        if read.map_err(|error| self.cut(&error))? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let mut ended = bytes.last() == Some(&b'\n');
        let too_long = !ended && bytes.len() > LONGEST_LINE_BYTES;
        if too_long {
            ended = self.skip_line()?;
        }
        while matches!(bytes.last(), Some(b'\n' | b'\r')) {
            bytes.pop();
        }
        let text = match (too_long, String::from_utf8(bytes)) {
            (true, _) => Text::TooLong,
            (false, Ok(text)) => Text::Whole(text),
            (false, Err(_)) => Text::NotUtf8,
        };
        Ok(Some(Line { number: self.number, text, ended }))
    }

    fn skip_line(&mut self) -> Result<bool, Failure> {
        loop {
            let buffer = match self.source.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) => return Err(self.cut(&error)),
            };
            if buffer.is_empty() {
                return Ok(false);
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(buffer.len(), |end| end + 1);
            self.source.consume(used);
            if end.is_some() {
                return Ok(true);
            }
        }
    }

    fn cut(&self, error: &std::io::Error) -> Failure {
        Failure::input(format!(
            "The file cannot be read after line {}: {error}; the lines before were imported. Fetch the file \
             again and import it again: what is known adds nothing.",
            self.number
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &'static [u8]) -> Vec<Line> {
        let mut lines = Lines::of(text);
        std::iter::from_fn(|| lines.next().unwrap()).collect()
    }

    #[test]
    fn lines_are_numbered_and_the_last_one_may_be_cut() {
        let lines = all(b"a\r\nb\n\nc");
        let texts: Vec<_> = lines.iter().map(|line| (line.number, line.text.clone(), line.ended)).collect();
        let whole = |text: &str| Text::Whole(text.to_owned());
        let expected =
            vec![(1, whole("a"), true), (2, whole("b"), true), (3, whole(""), true), (4, whole("c"), false)];
        assert_eq!(texts, expected);
    }

    #[test]
    fn strange_bytes_and_endless_lines_are_lines_too() {
        let long: &'static [u8] =
            Box::leak([vec![b'x'; 20_000], b"\nok\n\xff\xfe\n".to_vec()].concat().into());
        let lines = all(long);
        assert_eq!(lines[0].text, Text::TooLong);
        assert_eq!(lines[1].text, Text::Whole("ok".to_owned()));
        assert_eq!((lines[2].number, &lines[2].text), (3, &Text::NotUtf8));
    }

    #[test]
    fn a_cut_gzip_gives_its_lines_and_then_says_so() {
        use std::io::Write;
        let text: String =
            (0..5000).map(|n: u32| format!("line {}\n", n.wrapping_mul(2_654_435_761))).collect();
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(text.as_bytes()).unwrap();
        let packed = packed.finish().unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &packed[..packed.len() / 2]).unwrap();
        let mut lines = Lines::open(file.path()).unwrap();
        let mut read = 0;
        let failure = loop {
            match lines.next() {
                Ok(Some(_)) => read += 1,
                Ok(None) => panic!("the cut went unnoticed"),
                Err(failure) => break failure,
            }
        };
        assert!(read > 100, "{read}");
        assert_eq!(failure.kind.exit_code(), 4);
        assert!(failure.message.contains("Fetch the file again"), "{failure}");
    }
}
