//! Counts a document's tokens and brackets without parsing it, so that the parser never sees a hostile one.

/// How large a document is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    pub tokens: usize,
    pub nesting: usize,
}

pub fn extent(document: &str) -> Extent {
    let bytes = document.as_bytes();
    let (mut extent, mut depth, mut at) = (Extent::default(), 0_usize, 0);
    while let Some(byte) = bytes.get(at) {
        let length = match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => {
                at += 1;
                continue;
            }
            b'#' => {
                at += comment_length(&bytes[at..]);
                continue;
            }
            b'"' => string_length(&bytes[at..]),
            b'{' | b'[' | b'(' => {
                depth += 1;
                extent.nesting = extent.nesting.max(depth);
                1
            }
            b'}' | b']' | b')' => {
                depth = depth.saturating_sub(1);
                1
            }
            _ => word_length(&bytes[at..]),
        };
        extent.tokens += 1;
        at += length;
    }
    extent
}

fn comment_length(rest: &[u8]) -> usize {
    rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len())
}

fn word_length(rest: &[u8]) -> usize {
    let of_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'+');
    rest.iter().position(|byte| !of_word(byte)).unwrap_or(rest.len()).max(1)
}

/// A string's or block string's length with its quotes; an unclosed one reaches as far as it could be read.
fn string_length(rest: &[u8]) -> usize {
    if rest.starts_with(b"\"\"\"") {
        return block_string_length(rest);
    }
    let mut at = 1;
    while let Some(byte) = rest.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            b'\n' | b'\r' => return at,
            _ => at += 1,
        }
    }
    rest.len()
}

fn block_string_length(rest: &[u8]) -> usize {
    let mut at = 3;
    while at < rest.len() {
        if rest[at..].starts_with(b"\\\"\"\"") {
            at += 4;
        } else if rest[at..].starts_with(b"\"\"\"") {
            return at + 3;
        } else {
            at += 1;
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_words_brackets_and_strings() {
        let extent = extent("query Q($id: ID!) { a(x: \"{ [ \\\" (\") b } # { { {");
        assert_eq!(extent, Extent { tokens: 18, nesting: 2 });
    }

    #[test]
    fn a_bracket_in_a_block_string_nests_nothing() {
        assert_eq!(extent("{ a(x: \"\"\"{{{ \\\"\"\" {{{\"\"\") }").nesting, 2);
    }

    #[test]
    fn unclosed_strings_and_strange_bytes_end() {
        for document in ["\"", "\"\"\"", "\"\\", "{ é ¬ \u{1F600}", "}}}}", "\"a\nb\""] {
            assert!(extent(document).tokens <= document.len());
        }
    }
}
