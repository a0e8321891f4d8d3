//! Normaliser version 1 of plate reads: two reads of one plate get one match key.
//!
//! Compatibility forms are unified (NFKC), letters are uppercased, and everything that is neither letter nor digit, of
//! any script, is dropped. Letters that merely look alike (Latin A, Cyrillic А) stay different: whose plate it is, is
//! nothing to guess. The domain compares match keys and never looks inside; a change of the rule is a new version.

use unicode_normalization::UnicodeNormalization;

pub const NORMALISER: u16 = 1;

/// The most characters a plate may have, as read and in its compatibility form.
pub const MAX_CHARS: usize = 32;

/// None: nothing of the text is a letter or digit, or it is longer than a plate can be (one sign may stand for a whole
/// word).
pub fn match_key(raw: &str) -> Option<String> {
    if raw.chars().count().max(raw.nfkc().count()) > MAX_CHARS {
        return None;
    }
    let key: String = raw.nfkc().flat_map(char::to_uppercase).filter(|c| c.is_alphanumeric()).collect();
    (!key.is_empty()).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_reads_of_one_plate_have_one_key() {
        let same = [
            ("B-AB 123", "bab123"),
            ("Ｍ－ＸＹ　９", "M XY 9"),
            ("品川 300 あ 12-34", "品川300あ1234"),
            ("А123ВС77", "а 123 вс 77"),
            ("١٢٣ أ ب", "١٢٣أب"),
        ];
        for (one, other) in same {
            assert_eq!(match_key(one), match_key(other), "{one}");
            assert!(match_key(one).is_some());
        }
    }

    #[test]
    fn letters_that_look_alike_stay_different() {
        assert_ne!(match_key("A123"), match_key("А123"));
    }

    #[test]
    fn what_is_no_plate_has_no_key() {
        for text in ["", " - ", "🚗🚗", &"A".repeat(33), &"ﷺ".repeat(2)] {
            assert_eq!(match_key(text), None, "{text}");
        }
    }
}
