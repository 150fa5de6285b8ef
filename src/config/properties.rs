//! Java's `.properties` notation: comments, three separators, continuation lines and escapes.

use crate::config::Properties;

/// Why a text is no properties file; Java knows only one reason.
#[derive(Debug, PartialEq, Eq)]
pub struct MalformedEscape {
    pub line: usize,
}

/// Reads a whole file. A key that comes twice has its last value, as in Java.
pub fn parse(text: &str) -> Result<Properties, MalformedEscape> {
    let mut properties = Properties::new();
    for (number, line) in logical_lines(text) {
        let (key, value) = split(&line);
        let read = |raw: &str| unescape(raw).ok_or(MalformedEscape { line: number });
        properties.insert(read(key)?, read(value)?);
    }
    Ok(properties)
}

/// Lines with their continuations joined, without comments and blank lines, each with the number of its first line.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let unified = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut continued = false;
    let whole = unified.strip_suffix('\n').unwrap_or(&unified);
    let last = whole.matches('\n').count();
    for (index, natural) in whole.split('\n').enumerate() {
        let line = natural.trim_start_matches(is_space);
        let backslashes = line.bytes().rev().take_while(|byte| *byte == b'\\').count();
        let goes_on = backslashes % 2 == 1;
        let content = if goes_on {
            line.strip_suffix('\\').unwrap_or(line)
        } else {
            line
        };
        match lines.last_mut() {
            Some((_, open)) if continued => open.push_str(content),
            // A line of nothing but its continuation has not begun yet, unless nothing follows.
            _ if content.is_empty() && !(goes_on && index == last) => continue,
            _ if line.starts_with(['#', '!']) => continue,
            _ => lines.push((index + 1, content.to_owned())),
        }
        continued = goes_on;
    }
    lines
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\u{c}')
}

/// The key ends at the first `=`, `:` or blank that is not escaped; blanks around one separator go.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.char_indices().find(|(_, character)| {
        let ends = !escaped && (is_space(*character) || matches!(character, '=' | ':'));
        escaped = !escaped && *character == '\\';
        ends
    });
    let Some((end, _)) = end else {
        return (line, "");
    };
    let (key, rest) = line.split_at(end);
    let rest = rest.trim_start_matches(is_space);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, rest.trim_start_matches(is_space))
}

/// None when `\u` is not followed by four hexadecimal digits.
fn unescape(raw: &str) -> Option<String> {
    let mut units: Vec<u16> = Vec::with_capacity(raw.len());
    let mut characters = raw.chars();
    let mut buffer = [0; 2];
    while let Some(character) = characters.next() {
        if character != '\\' {
            units.extend_from_slice(character.encode_utf16(&mut buffer));
            continue;
        }
        match characters.next() {
            None => {}
            Some('t') => units.push(0x09),
            Some('n') => units.push(0x0a),
            Some('r') => units.push(0x0d),
            Some('f') => units.push(0x0c),
            Some('u') => {
                let digits = characters
                    .as_str()
                    .get(..4)
                    .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
                units.push(u16::from_str_radix(digits?, 16).ok()?);
                characters = characters.as_str().get(4..)?.chars();
            }
            Some(other) => units.extend_from_slice(other.encode_utf16(&mut buffer)),
        }
    }
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_java_reads_it() {
        for (line, key, value) in [
            ("a=b", "a", "b"),
            ("a = b ", "a", "b "),
            ("  a:b", "a", "b"),
            ("a b", "a", "b"),
            ("a  =  b=c", "a", "b=c"),
            ("a==b", "a", "=b"),
            ("a", "a", ""),
            ("a=", "a", ""),
            ("=b", "", "b"),
            ("a\\=b=c", "a=b", "c"),
            ("a\\ b c", "a b", "c"),
            ("a\\\\=b", "a\\", "b"),
            ("a=1\\t2\\n\\q", "a", "1\t2\nq"),
            ("a=\\u0041\\u00e9", "a", "Aé"),
            ("a=\\ud83d\\ude00", "a", "😀"),
            ("a=b#c", "a", "b#c"),
            ("a=1,\\\n   2,\\\r\n\t3", "a", "1,2,3"),
            ("a=1\\\\\nb=2", "a", "1\\"),
            ("a=1\\", "a", "1"),
            ("a=1\\\n#2", "a", "1#2"),
            ("a=é", "a", "é"),
            ("\\\n#b\n\\\n\na=1", "a", "1"),
        ] {
            let properties = parse(line).expect(line);
            assert_eq!(properties.get(key).map(String::as_str), Some(value), "{line:?}");
        }
    }

    #[test]
    fn comments_and_blank_lines_hold_nothing() {
        assert_eq!(
            parse("# a=1\n   ! b=2\n\n \t\r\n#c\\\nd=4\r"),
            Ok(Properties::from([("d".into(), "4".into())]))
        );
    }

    #[test]
    fn the_last_of_equal_keys_counts() {
        assert_eq!(parse("a=1\na=2"), Ok(Properties::from([("a".into(), "2".into())])));
    }

    #[test]
    fn an_escape_without_four_digits_is_refused_with_its_line() {
        for text in ["a=\\u12", "x=1\n\na=\\u00g1"] {
            assert_eq!(
                parse(text).map_err(|error| error.line),
                Err(text.lines().count()),
                "{text:?}"
            );
        }
    }

    #[test]
    fn no_text_whatever_stops_the_reader() {
        let alphabet = ['a', '\\', 'u', '0', '=', ':', ' ', '\n', '\r', '#', 'é'];
        for seed in 0..alphabet.len().pow(5) {
            let text: String = (0..5)
                .map(|place| alphabet[seed / alphabet.len().pow(place) % alphabet.len()])
                .collect();
            if let Ok(properties) = parse(&text) {
                assert!(
                    properties.len() <= text.lines().count().max(1) + text.matches('\r').count(),
                    "{text:?}"
                );
            }
        }
    }
}
