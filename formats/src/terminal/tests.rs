//! What the filter passes, and what it escapes or drops.

use super::*;

/// What a filter lets through, when the bytes come in portions of `size`.
fn passed(allow: Allow, bytes: &[u8], size: usize) -> String {
    let mut filter = TerminalFilter::new(allow);
    bytes.chunks(size).map(|portion| filter.push(portion)).collect()
}

/// The same in every portion that may cut a sequence.
fn all_ways(allow: Allow, bytes: &[u8]) -> String {
    let whole = passed(allow, bytes, bytes.len().max(1));
    for size in 1..bytes.len().min(9) {
        assert_eq!(passed(allow, bytes, size), whole, "in portions of {size}");
    }
    whole
}

#[test]
fn text_is_escaped_and_printable_text_stays() {
    assert!(matches!(escape("Grüße, 日本 🚀\n\tä"), Cow::Borrowed(_)));
    assert_eq!(escape("a\x1b]0;x\x07b\r"), "a\\x1b]0;x\\x07b\\x0d");
    // C1 in UTF-8, a changed direction, an invisible character.
    assert_eq!(escape("\u{9b}31m\u{202e}gpj\u{200b}"), "\\u{9b}31m\\u{202e}gpj\\u{200b}");
    // The joiners of emoji and of scripts are text.
    assert_eq!(escape("👩\u{200d}🚀 می\u{200c}خواهم"), "👩\u{200d}🚀 می\u{200c}خواهم");
}

#[test]
fn json_stays_json() {
    let json = serde_like("a\u{7f}\u{9b}\u{202e}\u{e0041}é");
    assert_eq!(escape_json(&json), "{\"x\": \"a\\u007f\\u009b\\u202e\\udb40\\udc41é\"}");
    assert!(matches!(escape_json("{\n\t}"), Cow::Borrowed(_)));
}

/// JSON as a library writes it: only what JSON itself demands is escaped.
fn serde_like(text: &str) -> String {
    format!("{{\"x\": \"{text}\"}}")
}

#[test]
fn bytes_in_portions_are_escaped_as_a_whole() {
    let bytes = b"\xc3\xa9\x1b[2J\xff\xc2\x9b\xe2\x82A\xe2\x82\xac\xf0\x9f\x9a";
    let expected = "é\\x1b[2J\\xff\\u{9b}\\xe2\\x82A€\\xf0\\x9f\\x9a";
    for size in 1..=bytes.len() {
        let mut escaper = Escaper::default();
        let mut text: String = bytes.chunks(size).map(|portion| escaper.push(portion)).collect();
        text.push_str(&escaper.end());
        assert_eq!(text, expected, "in portions of {size}");
    }
}

#[test]
fn lines_and_colours_of_a_console_pass() {
    let console = "[\x1b[0;32m  OK  \x1b[0m] Started \x1b[38:5:208mü\x1b[m.\r\n\tx\x08y";
    assert_eq!(all_ways(Allow::Lines, console.as_bytes()), console);
    assert_eq!(all_ways(Allow::Screen, console.as_bytes()), console);
}

#[test]
fn what_makes_a_terminal_act_remember_or_answer_is_dropped() {
    let hostile: &[&[u8]] = &[
        b"\x1b]0;title\x07",
        b"\x1b]2;title\x1b\\",
        b"\x1b]52;c;cm0gLXJmIC8=\x07",
        b"\x1b]8;;file:///etc/passwd\x1b\\",
        b"\x1b]4;1;?\x07",
        b"\x1bP$q\"p\x1b\\",
        b"\x1bP+q544e\x1b\\",
        b"\x1b_G...\x1b\\",
        b"\x1b^x\x1b\\",
        b"\x1bXx\x1b\\",
        b"\x05",
        b"\x1b[c",
        b"\x1b[>c",
        b"\x1b[6n",
        b"\x1b[?6n",
        b"\x1b[21t",
        b"\x1b[x",
        b"\x1b[5i",
        b"\x1b[?1000h",
        b"\x1b[?1003h",
        b"\x1b[?2004h",
        b"\x1b[>1u",
        b"\x1b[3J",
        b"\x1b[2147483647b",
        b"\x1b[99999S",
        b"\x1b[!p",
        b"\x1b[\"p",
        b"\x1b[ q",
        b"\x1bc",
        b"\x1bZ",
        b"\x1b%G",
        b"\x1b#8",
        b"\x0e",
        b"\x7f",
        // C1 in UTF-8: CSI, OSC, DCS, APC, and one without a meaning.
        b"\xc2\x9b6n",
        b"\xc2\x9d0;title\xc2\x9c",
        b"\xc2\x9d0;title\x07",
        b"\xc2\x90x\x1b\\",
        b"\xc2\x9fx\xc2\x9c",
        b"\xc2\x84",
        // A direction that hides the text of a line.
        "\u{202e}".as_bytes(),
    ];
    for sequence in hostile {
        for allow in [Allow::Lines, Allow::Screen] {
            let bytes = [b"<", *sequence, b">"].concat();
            let shown = all_ways(allow, &bytes);
            assert_eq!(shown, "<>", "{:?} with {allow:?}", sequence.escape_ascii().to_string());
        }
    }
    // Bytes of C1 that are no UTF-8 become no sequence either.
    assert_eq!(all_ways(Allow::Screen, b"\x9b6n\x9d0;x\x07"), "\u{fffd}6n\u{fffd}0;x\x07");
}

#[test]
fn the_cursor_is_the_guests_only_where_the_screen_is() {
    let console = b"gone\x1b[2J\x1b[01;01H\x1b[=3hfirst\x1b[1A\x1b[K\x1b7\x1b(0q\x1b(B\x1b8\x07";
    assert_eq!(all_ways(Allow::Lines, console), "gone\r\nfirstq");
    let screen = "gone\x1b[2J\x1b[01;01Hfirst\x1b[1A\x1b[K\x1b7\x1b(0q\x1b(B\x1b8\x07";
    assert_eq!(all_ways(Allow::Screen, console), screen);
}

#[test]
fn a_sequence_that_does_not_end_hides_little() {
    let shown = all_ways(Allow::Lines, b"\x1b]0;half\nKernel panic\n\x1b[1;2\nend");
    assert_eq!(shown, "\nKernel panic\n\nend");
    let long = [b"\x1b]".as_slice(), &[b'x'; 5000], b"after"].concat();
    assert!(passed(Allow::Lines, &long, 7).ends_with("xafter"));
    let long = [b"\x1b[".as_slice(), &[b'1'; 500], b"mafter"].concat();
    assert_eq!(all_ways(Allow::Lines, &long), "after");
}

#[test]
fn a_terminal_is_set_back_as_far_as_it_was_changed() {
    let mut filter = TerminalFilter::new(Allow::Screen);
    filter.push(b"plain\n");
    assert_eq!(filter.end(), "");
    filter.push(b"\x1b[31mred");
    assert!(filter.is_in_line());
    assert_eq!(filter.end(), "\x1b[0m");
    filter.push(b"\x1b[?1049h\x1b[?25l");
    let end = filter.end();
    assert!(end.contains("\x1b[?1049l") && end.contains("\x1b[?25h") && end.contains("\x1b[r"), "{end:?}");
}

#[test]
fn no_bytes_make_a_filter_write_anything_else() {
    for seed in 0..400_u32 {
        let mut state = seed;
        let bytes: Vec<u8> = (0..300)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let byte = (state >> 24) as u8;
                match byte % 4 {
                    0 => 0x1b,
                    1 => b"[]P^_X?;:0123mnchltHJ\\\x07\x9b\xc2\x9d"[byte as usize % 26],
                    _ => byte,
                }
            })
            .collect();
        let shown = all_ways(Allow::Lines, &bytes);
        for (at, _) in shown.match_indices('\x1b') {
            let rest = &shown[at + 1..];
            let end = rest.find('m').expect("a colour has an end");
            assert!(
                rest.starts_with('[')
                    && rest[1..end].bytes().all(|b| b.is_ascii_digit() || b";:".contains(&b))
            );
        }
        let others = shown.replace('\x1b', "");
        assert!(others.chars().all(|c| is_printable(c) || "\n\r\t\u{8}".contains(c)), "{shown:?}");
    }
}
