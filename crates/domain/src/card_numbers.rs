//! Payment card numbers (PANs), which are never stored or logged: they are recognised wherever a text comes in.
//!
//! - **strict rule**, for what stands for a means of payment: the whole text is 12 to 19 digits that pass the check of
//!   ISO/IEC 7812-1, annex B (Luhn). One random number in ten passes it.
//! - **network rule**, for everything else: somewhere in the text stand digits that pass it and have the prefix and the
//!   length of a network's cards. Of random tickets of 16 digits 2.9 % look so by chance, of 19 digits 1.7 %, of 13 digits
//!   1 %, of every other length below 0.5 %. Letters before the digits do not help; a length outside 12 to 19 does.
//!
//! What divides the digits does not matter: whatever is neither letter nor digit is passed over, and decimal digits of
//! every script count. Prefixes and lengths are those that the networks publish as issuer identification ranges.

/// Whether the whole text can be a card's number, of whatever network.
pub fn is_card_number(text: &str) -> bool {
    let mut digits = Vec::new();
    for character in text.chars() {
        match decimal_digit(character) {
            Some(digit) => digits.push(digit),
            None if character.is_alphanumeric() => return false,
            None => {}
        }
    }
    (DIGITS_AT_LEAST..=DIGITS_AT_MOST).contains(&digits.len()) && passes_luhn(&digits)
}

/// Whether a known network's card number stands anywhere in the text: between letters, after other numbers, or as a
/// magnetic stripe's track.
pub fn holds_card_number(text: &str) -> bool {
    // Nearly every text has too few digits.
    if text.chars().filter(|character| decimal_digit(*character).is_some()).count() < DIGITS_AT_LEAST {
        return false;
    }
    let mut run = Run::default();
    text.chars().any(|character| match decimal_digit(character) {
        Some(digit) => {
            run.add(digit);
            false
        }
        None if character.is_alphanumeric() => std::mem::take(&mut run).holds_card_number(),
        None => {
            run.divide();
            false
        }
    }) || run.holds_card_number()
}

const DIGITS_AT_LEAST: usize = 12;
const DIGITS_AT_MOST: usize = 19;

/// Digits with nothing but dividers between them.
#[derive(Default)]
struct Run {
    digits: Vec<u8>,
    /// Where its groups begin and end: a card's number begins and ends with a group.
    bounds: Vec<usize>,
}

impl Run {
    fn add(&mut self, digit: u8) {
        if self.bounds.is_empty() {
            self.bounds.push(0);
        }
        self.digits.push(digit);
    }

    fn divide(&mut self) {
        if self.bounds.last().is_some_and(|bound| *bound < self.digits.len()) {
            self.bounds.push(self.digits.len());
        }
    }

    fn holds_card_number(mut self) -> bool {
        self.divide();
        self.bounds.iter().enumerate().any(|(place, begin)| {
            let ends = self.bounds[place + 1..].iter();
            let ends = ends.take_while(|end| **end - begin <= DIGITS_AT_MOST);
            ends.map(|end| &self.digits[*begin..*end])
                .any(|digits| is_of_network(digits) && passes_luhn(digits))
        })
    }
}

/// First and last prefix of a range, of equally many digits, and the lengths of its numbers.
type Range = (u32, u32, &'static [usize]);

/// The networks' ranges.
const NETWORKS: &[Range] = &[
    // Visa
    (4, 4, &[13, 16, 19]),
    // Mastercard
    (51, 55, &[16]),
    (2221, 2720, &[16]),
    // American Express
    (34, 34, &[15]),
    (37, 37, &[15]),
    // Discover, Diners Club
    (6011, 6011, &[16, 19]),
    (644, 649, &[16, 19]),
    (65, 65, &[16, 19]),
    (300, 305, &[14, 16, 19]),
    (3095, 3095, &[14, 16, 19]),
    (36, 36, &[14, 16, 19]),
    (38, 39, &[14, 16, 19]),
    // JCB
    (3528, 3589, &[16, 17, 18, 19]),
    // UnionPay
    (62, 62, &[16, 17, 18, 19]),
    (8100, 8171, &[16, 17, 18, 19]),
    // Maestro
    (5018, 5018, &[12, 13, 14, 15, 16, 17, 18, 19]),
    (5020, 5020, &[12, 13, 14, 15, 16, 17, 18, 19]),
    (5038, 5038, &[12, 13, 14, 15, 16, 17, 18, 19]),
    (5893, 5893, &[12, 13, 14, 15, 16, 17, 18, 19]),
    (6304, 6304, &[12, 13, 14, 15, 16, 17, 18, 19]),
    (6759, 6759, &[12, 13, 14, 15, 16, 17, 18, 19]),
    (6761, 6763, &[12, 13, 14, 15, 16, 17, 18, 19]),
    // Mir
    (2200, 2204, &[16, 17, 18, 19]),
    // RuPay
    (508_500, 508_999, &[16]),
    (606_985, 607_984, &[16]),
    (608_001, 608_500, &[16]),
    (817_200, 820_199, &[16]),
    // Troy
    (9792, 9792, &[16]),
];

fn is_of_network(digits: &[u8]) -> bool {
    NETWORKS.iter().any(|(first, last, lengths)| {
        let places = first.ilog10() as usize + 1;
        let prefix = digits.iter().take(places).fold(0, |prefix, digit| prefix * 10 + u32::from(*digit));
        lengths.contains(&digits.len()) && (*first..=*last).contains(&prefix)
    })
}

fn passes_luhn(digits: &[u8]) -> bool {
    let doubled = |digit: u8| digit * 2 - if digit > 4 { 9 } else { 0 };
    let weighed = digits.iter().rev().enumerate().map(|(place, digit)| match place % 2 {
        0 => *digit,
        _ => doubled(*digit),
    });
    weighed.map(u32::from).sum::<u32>() % 10 == 0
}

/// Unicode's decimal digits (general category Nd, Unicode 16) come in tens; these are the zeros.
const ZEROS: [u32; 75] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50,
    0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40,
    0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x10d40,
    0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x116d0, 0x116da,
    0x11730, 0x118e0, 0x11950, 0x11bf0, 0x11c50, 0x11d50, 0x11da0, 0x11f50, 0x16a60, 0x16ac0, 0x16b50,
    0x16d70, 0x1ccf0, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e4f0, 0x1e5f1,
    0x1e950, 0x1fbf0,
];

/// The value of a decimal digit of any script, full-width and mathematical ones among them.
fn decimal_digit(character: char) -> Option<u8> {
    let code = u32::from(character);
    let zero = ZEROS[..ZEROS.partition_point(|zero| *zero <= code)].last()?;
    u8::try_from(code - zero).ok().filter(|digit| *digit < 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the networks and gateways publish them for tests.
    const PUBLISHED: [&str; 18] = [
        "4111111111111111",
        "4012888888881881",
        "4222222222222",
        "5555555555554444",
        "5105105105105100",
        "2223003122003222",
        "378282246310005",
        "371449635398431",
        "6011111111111117",
        "6011000990139424",
        "30569309025904",
        "38520000023237",
        "3056930009020004",
        "3530111333300000",
        "3566002020360505",
        "6200000000000005",
        "6304000000000000",
        "2200000000000004",
    ];

    #[test]
    fn the_published_test_numbers_are_recognised() {
        for number in PUBLISHED {
            assert!(is_card_number(number) && holds_card_number(number), "{number}");
        }
    }

    #[test]
    fn whatever_divides_or_writes_the_digits() {
        let written = [
            "4111 1111 1111 1111",
            "3782-822463-10005",
            "4111\u{a0}1111\u{2009}1111\u{2011}1111",
            "4111\u{200b}1111\u{2060}1111\u{ad}1111",
            "4111.1111/1111_1111",
            "４１１１１１１１１１１１１１１１",
            "٤١١١ ١١١١ ١١١١ ١١١١",
            "𝟒𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏",
        ];
        for number in written {
            assert!(is_card_number(number) && holds_card_number(number), "{number}");
        }
    }

    #[test]
    fn a_number_among_other_words_and_numbers_is_found() {
        let texts = [
            "driver read out 4111 1111 1111 1111, valid to 12/27",
            "2 x 4111111111111111",
            "%B4111111111111111^DOE/JANE^27122010000000000000?",
            ";4111111111111111=27122010000000000000?",
            "4111111111111111D27122010000000000000",
        ];
        for text in texts {
            assert!(holds_card_number(text), "{text}");
            assert!(!is_card_number(text), "{text}");
        }
    }

    #[test]
    fn ordinary_texts_hold_none() {
        let texts = [
            "",
            "B-XY 1234",
            "4111111111111112",
            "12345678901234567890",
            "2026-03-02 08:00 to 2026-03-02 09:30",
            "1772438400000",
            "+49 170 1234567 or +420 601 123 456",
            "0198c5b2-7c1e-7d3a-9a4b-2f1f0a6f4f11",
            "EAN 4006381333931",
            // Passes Luhn, but no network's prefix.
            "9999999999999995",
            "111111111113",
        ];
        for text in texts {
            assert!(!holds_card_number(text), "{text}");
        }
        assert!(is_card_number("9999999999999995") && is_card_number("111111111113"));
    }

    /// Numbers as a ticket machine draws them (the multiplier is Knuth's, MMIX).
    fn share_of_random_tickets(digits: usize) -> f64 {
        const TICKETS: u32 = 20_000;
        let mut state = 1_u64;
        let mut digit = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'0' + ((state >> 33) % 10) as u8)
        };
        let looks_so = (0..TICKETS).filter(|_| {
            let ticket: String = (0..digits).map(|_| digit()).collect();
            holds_card_number(&ticket)
        });
        looks_so.count() as f64 / f64::from(TICKETS)
    }

    #[test]
    fn few_tickets_look_like_cards_by_chance() {
        let of_16 = share_of_random_tickets(16);
        assert!((0.025..0.033).contains(&of_16), "{of_16}");
        for (digits, at_most) in [(12, 0.005), (13, 0.013), (14, 0.005), (15, 0.005), (19, 0.02), (20, 0.0)] {
            let share = share_of_random_tickets(digits);
            assert!(share <= at_most, "{digits}: {share}");
        }
    }

    #[test]
    fn the_zeros_are_in_order() {
        assert!(ZEROS.is_sorted());
        assert_eq!((decimal_digit('٩'), decimal_digit('９'), decimal_digit('a')), (Some(9), Some(9), None));
    }
}
