use bench_stream::{SseError, SseLimits, SseParser};

use crate::{Owned, parse, parse_within};

fn data(frames: &[&str]) -> Vec<String> {
    parse(frames.iter().map(|frame| frame.as_bytes()))
        .into_iter()
        .map(|event| String::from_utf8(event.data).expect("UTF-8"))
        .collect()
}

#[test]
fn a_keep_alive_in_a_read_of_its_own_costs_no_event() {
    let frames = [
        ": ping\n\n",
        "data: 1\n\n",
        ": ping\n\n",
        "data: 2\n\n",
        ":\n",
        "\n",
    ];
    assert_eq!(data(&frames), ["1", "2"]);
    assert_eq!(data(&[": pi", "ng\n", "\ndata: 1\n", ": x", "\n\n"]), ["1"]);
}

#[test]
fn two_crlf_events_in_one_read_are_two_events() {
    assert_eq!(data(&["data: 1\r\n\r\ndata: 2\r\n\r\n"]), ["1", "2"]);
}

#[test]
fn a_crlf_may_be_split_anywhere() {
    assert_eq!(
        data(&["data: 1\r", "\n\r", "\ndata: 2\r\n\r\n"]),
        ["1", "2"]
    );
    assert_eq!(
        data(&["data: 1\r\n\r", "", "\n", "data: 2\r\n\r\n"]),
        ["1", "2"]
    );
}

#[test]
fn an_event_that_ends_with_cr_does_not_wait_for_the_lf() {
    let mut parser = SseParser::new(SseLimits::default());
    let mut events = parser.push(b"data: 1\r\n\r");
    let event = events.next().expect("complete").expect("small");
    assert_eq!((event.data, event.terminated), (&b"1"[..], true));
    assert!(events.next().is_none());
}

#[test]
fn lines_may_end_with_cr_alone() {
    assert_eq!(
        data(&["data: 1\r\rdata: 2\r", "\r", "data: 3\r\r"]),
        ["1", "2", "3"]
    );
    assert_eq!(data(&["data: a\rdata: b\n\r\n"]), ["a\nb"]);
}

#[test]
fn the_space_after_the_colon_is_optional_and_only_one_goes() {
    assert_eq!(data(&["data:{}\n\n"]), ["{}"]);
    assert_eq!(data(&["data:  x \n\n"]), [" x "]);
    assert_eq!(data(&["data: hello", " world\n\n"]), ["hello world"]);
    assert_eq!(data(&["data: hello ", "world\n\n"]), ["hello world"]);
}

#[test]
fn other_fields_come_along() {
    let stream = b"event: error\nid: 7\nretry: 1500\nunknown: x\ndata: 1\n\nevent\ndata: 2\n\n";
    let first = Owned {
        event: Some(b"error".to_vec()),
        data: b"1".to_vec(),
        id: Some(b"7".to_vec()),
        retry: Some(1_500),
        terminated: true,
    };
    let second = Owned {
        data: b"2".to_vec(),
        terminated: true,
        ..Owned::default()
    };
    assert_eq!(parse([&stream[..]]), [first, second]);
}

#[test]
fn invalid_ids_and_retries_are_ignored() {
    let stream = b"id: a\nid: b\0\nretry: 1x\nretry:\ndata: 1\n\n";
    let events = parse([&stream[..]]);
    assert_eq!(events[0].id.as_deref(), Some(&b"a"[..]));
    assert_eq!(events[0].retry, None);
}

#[test]
fn data_lines_are_joined_and_an_event_without_any_is_none() {
    assert_eq!(data(&["data: a\ndata:b\ndata\n\n"]), ["a\nb\n"]);
    assert_eq!(data(&["event: x\n\nid: 1\n\n\n\ndata: 1\n\n"]), ["1"]);
    assert_eq!(data(&["data\n\n"]), [""]);
    assert_eq!(data(&["data:\n\n"]), [""]);
    assert_eq!(data(&["datax: 1\n\n: data: 2\n\n"]), [""; 0]);
}

#[test]
fn fields_of_one_event_do_not_leak_into_the_next() {
    let events = parse([&b"event: x\n"[..], b"\ndata: 1\n\n"]);
    assert_eq!(events[0].event, None);
}

#[test]
fn a_byte_order_mark_is_skipped_at_the_beginning_only() {
    assert_eq!(data(&["\u{FEFF}data: 1\n\n"]), ["1"]);
    assert_eq!(data(&["data: 1\n\n\u{FEFF}data: 2\n\n"]), ["1"]);
    let bytes = "\u{FEFF}data: 1\n\n".as_bytes();
    let frames = bytes.chunks(1);
    assert_eq!(parse(frames).len(), 1);
    // Not a mark after all.
    let events = parse([&b"\xEF"[..], b"\xBB", b"data: 1\n\ndata: 2\n\n"]);
    assert_eq!(events.len(), 1);
    assert_eq!(parse([&b"\xEF\xBB\xBF"[..]]), []);
    assert_eq!(parse([&b"\xEF"[..]]), []);
}

#[test]
fn characters_may_be_split() {
    let bytes = "data: \u{e9}\u{1F600}\n\n".as_bytes();
    for place in 0..bytes.len() {
        let (head, tail) = bytes.split_at(place);
        assert_eq!(parse([head, tail])[0].data, "\u{e9}\u{1F600}".as_bytes());
    }
}

#[test]
fn unicode_line_separators_are_no_line_ends() {
    let text = "{\"text\":\"a\u{2028}b\u{85}c\u{2029}d\u{B}e\u{C}f\"}";
    assert_eq!(data(&[&format!("data: {text}\n\n")]), [text]);
}

#[test]
fn a_last_event_without_its_blank_line_is_delivered_as_such() {
    for frames in [
        &["data: 1\n\nevent: e\ndata: 2"][..],
        &["data: 1\n\nevent: e\ndata: 2\n"],
        &["data: 1\n\nevent: e\ndata: 2\n: comment"],
        &["data: 1\n\nevent: e\n", "data: ", "2"],
    ] {
        let events = parse(frames.iter().map(|frame| frame.as_bytes()));
        let last = Owned {
            event: Some(b"e".to_vec()),
            data: b"2".to_vec(),
            ..Owned::default()
        };
        assert_eq!(events.last(), Some(&last), "{frames:?}");
        assert_eq!(events.len(), 2);
    }
    assert_eq!(data(&["data: 1\n\nevent: e\n"]), ["1"]);
}

#[test]
fn a_parser_is_ready_for_another_stream_after_finish() {
    let mut parser = SseParser::new(SseLimits::default());
    drop(parser.push(b"data: 1\r"));
    assert!(parser.finish().expect("small").is_some());
    let mut events = parser.push("\n\u{FEFF}data: 1\n\n".as_bytes());
    assert!(events.next().is_none());
    drop(events);
    assert_eq!(parser.finish(), Ok(None));
    let mut events = parser.push("\u{FEFF}data: 1\n\n".as_bytes());
    assert!(events.next().is_some());
}

#[test]
fn events_dropped_half_way_are_discarded_and_the_next_one_is_kept() {
    let mut parser = SseParser::new(SseLimits::default());
    let mut events = parser.push(b"data: 1\n\ndata: 2\n\ndata: 3");
    assert_eq!(events.next().expect("first").expect("small").data, b"1");
    drop(events);
    drop(parser.push(b""));
    let mut events = parser.push(b"3\n\n");
    assert_eq!(events.next().expect("third").expect("small").data, b"33");
    assert!(events.next().is_none());
}

#[test]
fn an_event_in_one_frame_is_borrowed_from_it() {
    let frame = b"event: e\ndata: {}\n\n";
    let mut parser = SseParser::new(SseLimits::default());
    let mut events = parser.push(frame);
    let event = events.next().expect("complete").expect("small");
    assert!(frame.as_ptr_range().contains(&event.data.as_ptr()));
}

#[test]
fn an_event_over_the_limit_ends_the_stream() {
    let error = SseError::TooLarge { limit: 10 };
    // "data: abc\n" has ten bytes.
    let fits = b"data: abc\n\n: long comments do not count\ndata: abc\n\n";
    let (seen, end) = parse_within(10, [&fits[..]]);
    assert_eq!((seen.len(), end), (2, Ok(())));
    let over = b"data: abc\n\ndata: abcd\n\ndata: x\n\n";
    let (seen, end) = parse_within(10, [&over[..]]);
    assert_eq!((seen.len(), end), (1, Err(error.clone())));

    let mut parser = SseParser::new(SseLimits { max_event: 10 });
    let mut events = parser.push(b"data: abcdefgh");
    assert_eq!(events.next(), Some(Err(error.clone())));
    assert_eq!(events.next(), None);
    drop(events);
    assert_eq!(parser.push(b"data: 1\n\n").next(), Some(Err(error.clone())));
    assert_eq!(parser.finish(), Err(error));
    assert_eq!(parser.finish(), Ok(None));
}

#[test]
fn comments_without_end_take_no_memory_and_hit_no_limit() {
    let ping = [b": a comment that is longer than the limit".as_slice(); 100];
    let (seen, end) = parse_within(8, ping);
    assert_eq!((seen, end), (vec![], Ok(())));
}
