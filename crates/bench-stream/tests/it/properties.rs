use bench_testkit::splits;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::{oracle, parse, parse_within};

/// Bytes with everything that means something to a parser, often.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => Just("data: ".to_owned()),
        1 => Just("data:".to_owned()),
        1 => Just("data".to_owned()),
        1 => Just("event: e".to_owned()),
        1 => Just("id: 7".to_owned()),
        1 => Just("id: \0".to_owned()),
        1 => Just("retry: 10".to_owned()),
        1 => Just("retry: 99999999999999999999".to_owned()),
        1 => Just(": ping".to_owned()),
        1 => Just(":".to_owned()),
        1 => Just(" ".to_owned()),
        1 => Just("\u{FEFF}".to_owned()),
        1 => Just("{\"text\":\"\u{e9}\u{2028}\u{85}\u{1F600}\"}".to_owned()),
        2 => "\\PC{0,8}",
        4 => Just("\n".to_owned()),
        3 => Just("\n\n".to_owned()),
        2 => Just("\r\n".to_owned()),
        2 => Just("\r\n\r\n".to_owned()),
        2 => Just("\r".to_owned()),
        1 => Just("\r\r".to_owned()),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat().into_bytes())
}

/// `bytes` cut at `places`, which may coincide and lie beyond the end.
fn cut<'b>(bytes: &'b [u8], places: &[usize]) -> Vec<&'b [u8]> {
    let mut places: Vec<usize> = places.iter().map(|p| *p % (bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|w| &bytes[w[0]..w[1]]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_split_gives_the_events_of_the_oracle(
        bytes in stream(),
        places in vec(any::<usize>(), 0..8),
    ) {
        let expected = oracle::parse(&bytes);
        prop_assert_eq!(&parse([&bytes[..]]), &expected);
        prop_assert_eq!(&parse(cut(&bytes, &places)), &expected);
        prop_assert_eq!(&parse(splits::every(&bytes, 1)), &expected);
    }

    #[test]
    fn any_bytes_do_too(bytes in vec(any::<u8>(), 0..64), places in vec(any::<usize>(), 0..8)) {
        let expected = oracle::parse(&bytes);
        prop_assert_eq!(&parse([&bytes[..]]), &expected);
        prop_assert_eq!(&parse(cut(&bytes, &places)), &expected);
    }

    #[test]
    fn the_size_limit_strikes_at_the_same_event(
        bytes in stream(),
        limit in 1..40_usize,
        places in vec(any::<usize>(), 0..8),
    ) {
        let expected = parse_within(limit, [&bytes[..]]);
        prop_assert_eq!(&parse_within(limit, cut(&bytes, &places)), &expected);
        prop_assert_eq!(&parse_within(limit, splits::every(&bytes, 1)), &expected);
    }
}
